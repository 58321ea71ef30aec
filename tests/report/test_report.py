# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_analysis import analysis, face, track
from tiny_model import tiny_spec

from cad.errors import MediaUnreadableError, OptionError
from cad.media.records import Outcome
from cad.report.html import error_section, page_end, page_start, verdict_section
from cad.report.text import MAX_LISTED, verdict_text
from cad.report.timeline_svg import timeline_svg, y_of
from cad.report.writers import HtmlWriter
from cad.verdict.judge import MAX_CURVE_BINS, judge, summarise_curve
from cad.verdict.records import MediaTrack, Segment

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


def page_html(sections: list[str]) -> str:
    """Return a whole page."""
    return page_start() + "".join(sections) + page_end()


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


def test_the_page_says_first_which_file_it_is_about_and_labels_the_hash_of_the_model(made):
    info = dataclasses.replace(made.info, sha256="a" * 64, size_bytes=12_345)
    verdict = judge(dataclasses.replace(made, info=info, nets={"tiny": "0" * 64, "faces": "f" * 64}), tiny_spec())
    section = verdict_section(verdict, {})
    check_html(section)
    text = re.sub(r"<[^>]+>", " ", section)
    order = ["clip.mp4", "12,345 bytes", "a" * 64, "4.00 s", "fused_evidence", "Evidence by stream", "0" * 64, "f" * 64]
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert text.count("0" * 64) == 1 and re.search(r"sha256 of the model\s+" + "0" * 64, text)
    assert re.search(r"sha256\s+" + "a" * 64, text)


def test_joined_recordings_are_marked_in_the_timeline():
    joined = judge(analysis(face(0, 100), joints=(50,)), tiny_spec())
    assert joined.media.joints_seconds == (2.0,)
    section = verdict_section(joined, {})
    check_html(section)
    assert section.count('class="joint"') == 1 and "time stamps jump at 2.00 s" in section
    assert "joint" not in verdict_section(judge(analysis(face(0, 100)), tiny_spec()), {})


def test_the_tracks_of_a_file_with_several_are_shown_to_people(made):
    tracks = (
        MediaTrack("video", 1, "h264", "", "", True, True, None, 0.21, (1, 2), 0.9),
        MediaTrack("audio", 1, "aac", "eng", "", True, True, None, 0.1, (1,), 0.2),
        MediaTrack("audio", 2, "aac", "deu", "dub\x1b[2J", False, False, "no speech", None),
    )
    verdict = judge(made, tiny_spec())
    verdict = dataclasses.replace(verdict, media=dataclasses.replace(verdict.media, tracks=tracks))
    text = verdict_text(verdict)
    assert "  track picture 1 (h264, default): 0.21, 0.90 with sound 1, 2" in text
    assert "  track sound 2 (aac, deu, dub\\x1b[2J): not judged: no speech" in text
    section = verdict_section(verdict, {})
    check_html(section)
    assert "sound 2" in section and "not judged: no speech" in section
    few = dataclasses.replace(verdict, media=dataclasses.replace(verdict.media, tracks=tracks[:2]))
    assert "  track " not in verdict_text(few) and "  track " in verdict_text(few, verbose=True)


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.ENCRYPTED, Outcome.CRASHED])
def test_text_says_what_kept_the_file_from_being_read_before_all_evidence(outcome):
    made = analysis([], [], coverage=0.29, speech_slots=0, outcome=outcome)
    lines = verdict_text(judge(made, tiny_spec())).split("\n")
    reading = [line.split(":")[0].strip() for line in lines[1 : 2 + (outcome is not Outcome.PARTIAL)]]
    assert reading == [*([outcome.value] if outcome is not Outcome.PARTIAL else []), "low_coverage"]
    assert lines[1 + len(reading)].startswith("  video  -     no face was found in what could be read")


def test_a_size_is_never_rounded_up_to_the_limit_that_it_is_under():
    verdict = judge(analysis([], [track(height_px=39.7)], speech_slots=None), tiny_spec())
    assert ", 39 px: not judged" in verdict_text(verdict, verbose=True)


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
    monkeypatch.setattr(Path, "hardlink_to", lambda self, target: (_ for _ in ()).throw(OSError("no links here")))
    with pytest.raises(OSError, match="disk full"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_said_before_the_work(tmp_path):
    with pytest.raises(OptionError, match="folder"):
        HtmlWriter(tmp_path / "none" / "page.html")
    with pytest.raises(OptionError, match="folder"):
        HtmlWriter(tmp_path)
