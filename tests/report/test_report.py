# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_analysis import analysis, face, track
from tiny_model import tiny_spec

from cad.errors import MediaUnreadableError, OptionError
from cad.report.html import error_section, page_html, verdict_section
from cad.report.text import MAX_LISTED, verdict_text
from cad.report.timeline_svg import timeline_svg, y_of
from cad.report.writers import HtmlWriter
from cad.verdict.judge import MAX_CURVE_BINS, judge, summarise_curve
from cad.verdict.records import Segment

VOID = {"meta", "img", "link", "br", "line", "rect", "polyline"}


class Checker(HTMLParser):
    """Sees that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, f"<{tag}/> is not an empty element"

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def check_html(text: str) -> None:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []


@pytest.fixture
def made():
    scores = face(0, 100, track=0, fused=3.0, video=2.0) + face(0, 100, track=1, sync=3.0)
    return analysis(scores, [track(0), track(1)])


def test_a_page_is_well_formed_and_names_everything(made):
    verdict = judge(made, tiny_spec())
    page = page_html(
        [verdict_section(verdict, made.pictures), error_section("b.mp4", MediaUnreadableError("b.mp4", "no media"))]
    )
    check_html(page)
    for wanted in ("FAKE", "video", "audio", "sync", "Face 0", "Face 1", "<svg", "no media", "several_faces"):
        assert wanted in page


def test_a_hostile_name_stays_text():
    error = MediaUnreadableError("x", "<img src=x onerror=alert(1)>")
    section = error_section("<script>alert(1)</script>.mp4", error)
    assert "<script" not in section and "<img" not in section
    check_html(page_html([section]))


def test_a_page_of_a_file_without_scores_has_no_timeline():
    made = analysis([], [], speech_slots=None)
    page = page_html([verdict_section(judge(made, tiny_spec()), made.pictures)])
    check_html(page)
    assert "<svg" not in page and "no face was found" in page


def test_the_page_asks_nothing_of_the_net(made):
    page = page_html([verdict_section(judge(made, tiny_spec()), made.pictures)])
    assert not re.search(r"https?://|@import|<script|<link", page)


def test_a_peak_of_one_slot_in_an_hour_stays_visible():
    curve = np.zeros(90_000)
    curve[45_123] = 1.0
    drawn = summarise_curve(curve)
    assert len(drawn.probabilities) <= MAX_CURVE_BINS and max(drawn.probabilities) == 1.0
    assert abs(drawn.probabilities.index(1.0) * drawn.step_seconds - 45_123 / 25) < 4.0
    assert timeline_svg({"video": drawn}, {"video": 0.5}, []).count(f",{y_of(1.0):.1f}") == 1


def test_curves_break_where_nothing_was_scored():
    curve = np.full(100, 0.5)
    curve[40:60] = np.nan
    nothing = np.full(100, np.nan)
    curves = {"video": summarise_curve(curve), "audio": summarise_curve(nothing), "sync": summarise_curve(nothing)}
    svg = timeline_svg(curves, dict.fromkeys(curves, 0.5), [])
    assert svg.count("<polyline") == 2 and "nan" not in svg


def test_text_lists_some_segments_and_counts_the_rest(made):
    import dataclasses

    many = tuple(Segment(float(i), i + 0.5, "video", 0.9) for i in range(MAX_LISTED + 3))
    text = verdict_text(dataclasses.replace(judge(made, tiny_spec()), segments=many))
    assert text.count("  segment ") == MAX_LISTED and "3 more segments" in text


def test_json_is_strict_and_rounds_to_what_means_something(made):
    document = judge(made, tiny_spec()).to_dict()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert document["faces"][1]["talking"] is False
    assert document["probability_fake"] == pytest.approx(0.9526)


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    writer = HtmlWriter(tmp_path / "page.html")
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_said_before_the_work(tmp_path):
    with pytest.raises(OptionError, match="folder"):
        HtmlWriter(tmp_path / "none" / "page.html")
    with pytest.raises(OptionError, match="folder"):
        HtmlWriter(tmp_path)
