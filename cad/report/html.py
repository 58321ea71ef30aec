# SPDX-License-Identifier: Apache-2.0
"""The verdict as one page of HTML for people: it needs no script, font or picture from outside.

Nothing in it is obeyed but its own style sheet and its own pictures: a Content-Security-Policy says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import PurePath

from cad.clock import seconds_of
from cad.errors import MediaError
from cad.faces.track_book import FacePicture
from cad.printable import printable
from cad.report.text import (
    SPEAKS,
    has_choice,
    media_text,
    numbers_text,
    sandbox_text,
    time_text,
    track_answer,
    track_name,
)
from cad.report.timeline_svg import clock, timeline_svg
from cad.verdict.records import FaceSummary, Segment, StreamEvidence, Verdict

TITLE = "Deepfake analysis"
CAVEAT = (
    "A probability is not a proof. It says how files like this one scored on the data that the model was "
    "calibrated on; other cameras, codecs and generators can mislead it."
)
#: A page of thousands of faces opens in no browser: of more than this, the most suspicious are shown.
MAX_FACES_SHOWN = 48
#: Stands in the head of every page, so that a report may be replaced by the next and nothing else is.
REPORT_MARK = '<meta name="generator" content="cad-detect">'


def page_start() -> str:
    """Return what stands before the sections of a page, of which there is one a file."""
    style = files("cad.report").joinpath("page.css").read_text(encoding="utf-8")
    known = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{known}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'{REPORT_MARK}<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{style}</style></head><body>\n"
        f'<h1>{TITLE}</h1><p class="soft">{CAVEAT}</p>\n'
    )


def page_end(left_out: str = "") -> str:
    """Return what stands after the sections; with ``left_out`` it says that the batch ended early."""
    note = f'<p class="error">This report ends early: {shown(left_out)}.</p>\n' if left_out else ""
    return f"{note}</body></html>\n"


def shown(text: str) -> str:
    """Return text as HTML that is shown and never obeyed, as a file's name or a tag in it may want to be."""
    return escape(printable(text))


def verdict_section(verdict: Verdict, pictures: Mapping[int, Sequence[FacePicture]]) -> str:
    """Return the section of one file: answer, which file, reasons, bars, timeline, faces, what judged it."""
    points = verdict.operating_points
    thresholds = {stream: points[stream].fake_threshold for stream in verdict.streams if stream in points}
    bars = table(bar(name, one, thresholds.get(name)) for name, one in verdict.streams.items())
    parts = [
        headline(verdict),
        file_facts(verdict),
        block("Reasons and limits", table(fact_row(reason.code, reason.text) for reason in verdict.reasons)),
        block("Tracks", tracks(verdict)),
        block("Evidence by stream", bars),
        block("Over time", timeline(verdict, thresholds)),
        block("Faces", faces(verdict, pictures)),
        block("What judged it", model_facts(verdict)),
    ]
    return "<section>" + "\n".join(parts) + "</section>\n"


def error_section(path: str, error: MediaError) -> str:
    """Return the section of a file that could not be read."""
    return (
        f'<section><div class="head"><h2>{shown(path)}</h2><span class="label error">ERROR</span></div>'
        f"<p>{shown(error.text)} ({shown(error.code)})</p></section>\n"
    )


def block(title: str, content: str) -> str:
    """Return a titled part, or nothing if it has no content."""
    return f"<h3>{title}</h3>{content}" if content else ""


def table(rows: Iterable[str]) -> str:
    """Return a table, or nothing if it has no row."""
    joined = "".join(rows)
    return f"<table>{joined}</table>" if joined else ""


def fact_row(name: str, text: str) -> str:
    """Return the row of a table that says one thing."""
    return f'<tr><td class="name soft">{shown(name)}</td><td>{shown(text)}</td></tr>'


def headline(verdict: Verdict) -> str:
    """Return the file's name and the answer."""
    chance = ""
    if verdict.probability_fake is not None:
        chance = f"<span>probability of fake <b>{verdict.probability_fake:.2f}</b></span>"
    label = verdict.label.value
    return (
        f'<div class="head"><h2>{shown(verdict.path)}</h2>'
        f'<span class="label {label}">{label.upper()}</span>{chance}</div>'
    )


def bar(stream: str, evidence: StreamEvidence, threshold: float | None) -> str:
    """Return one stream's row: a bar with a mark at its threshold if it has one, or why it was not judged."""
    stream = shown(stream)
    name = f'<td class="name">{stream}</td>'
    chance = evidence.probability_fake
    if chance is None:
        return f'<tr>{name}<td class="number">-</td><td class="soft">{shown(evidence.reason or "not judged")}</td></tr>'
    # Widths are attributes of SVG: the page's policy lets no element have a style of its own.
    mark = ""
    if threshold is not None:
        line = f'<line class="mark" x1="{threshold:.1%}" x2="{threshold:.1%}" y2="100%"/>'
        mark = f"<g><title>threshold {threshold:.2f}</title>{line}</g>"
    return (
        f'<tr>{name}<td class="number">{chance:.2f}</td><td><svg class="bar">'
        f'<rect class="fill-{stream}" width="{chance:.1%}" height="100%"/>{mark}</svg></td></tr>'
    )


def tracks(verdict: Verdict) -> str:
    """Return every picture and sound of a file that has several."""
    if not has_choice(verdict.media):
        return ""
    return table(fact_row(track_name(one), track_answer(one)) for one in verdict.media.tracks)


def timeline(verdict: Verdict, thresholds: dict[str, float]) -> str:
    """Return the curves over time with their key; nothing for a still picture or an unscored file."""
    if not any(set(curve.probabilities) - {None} for curve in verdict.curves.values()):
        return ""
    key = "".join(f'<span class="key {name}"></span>{name}' for name in map(shown, verdict.curves))
    joints = verdict.media.joints_seconds
    meet = "; upright: there the time stamps jump" if joints else ""
    return (
        timeline_svg(verdict.curves, thresholds, verdict.segments, joints)
        + f'<p class="soft">{key} &nbsp; dashed: threshold; bands: suspicious stretches{meet}</p>'
    )


def faces(verdict: Verdict, pictures: Mapping[int, Sequence[FacePicture]]) -> str:
    """Return the faces with their pictures: all in order of appearance, or the most suspicious of very many."""
    shown = most_suspicious(verdict.faces)
    told = "".join(face_line(one) + strip(pictures.get(one.track_id, ()), verdict.segments) for one in shown)
    if len(shown) == len(verdict.faces):
        return told
    judged = sum(face.probability_fake is not None for face in verdict.faces)
    return (
        f'<p class="soft">The {len(shown)} most suspicious of {len(verdict.faces):,} faces, of which {judged:,} were '
        f"judged; the others have no higher figure. --json has all.</p>{told}"
    )


def most_suspicious(found: Sequence[FaceSummary]) -> Sequence[FaceSummary]:
    """Return all faces as they are, or of more than MAX_FACES_SHOWN those of the highest figures, highest first."""
    if len(found) <= MAX_FACES_SHOWN:
        return found
    return heapq.nlargest(MAX_FACES_SHOWN, found, key=_figure)


def _figure(face: FaceSummary) -> float:
    return -1.0 if face.probability_fake is None else face.probability_fake


def face_line(face: FaceSummary) -> str:
    """Return one face's facts."""
    chance = (
        "not judged" if face.probability_fake is None else f"probability of fake <b>{face.probability_fake:.2f}</b>"
    )
    return (
        f"<p>Face {face.track_id}: {clock(round(face.start_seconds, 2))} to {clock(round(face.stop_seconds, 2))}, "
        f"{int(face.height_px)} px high{SPEAKS[face.active_speaker]}; {chance}</p>"
    )


def strip(pictures: Sequence[FacePicture], segments: Iterable[Segment]) -> str:
    """Return a face's pictures; those within a suspicious stretch of picture or synchrony are framed."""
    visual = [segment for segment in segments if segment.stream != "audio"]
    figures = [figure(picture, visual) for picture in pictures]
    return f'<div class="strip">{"".join(figures)}</div>' if figures else ""


def figure(picture: FacePicture, segments: list[Segment]) -> str:
    """Return one picture with its time."""
    time = seconds_of(picture.slot)
    flagged = any(segment.start_seconds <= time < segment.stop_seconds for segment in segments)
    data = base64.b64encode(picture.jpeg).decode("ascii")
    return (
        f'<figure class="{"flagged" if flagged else "plain"}"><img alt="face at {time:.2f} s" '
        f'src="data:image/jpeg;base64,{data}"><figcaption>{clock(round(time, 2))}</figcaption></figure>'
    )


def file_facts(verdict: Verdict) -> str:
    """Return which file this is: what people compare before they believe a report."""
    media = verdict.media
    size = f", {media.size_bytes:,} bytes" if media.size_bytes else ""
    rows = [
        ("file", f"{PurePath(verdict.path).name}{size}"),
        ("sha256", media.sha256 or "not known"),
        ("content", media_text(media)),
        *([] if media.sandbox is None else [("decoded under", sandbox_text(media.sandbox))]),
    ]
    return table(fact_row(name, text) for name, text in rows)


def model_facts(verdict: Verdict) -> str:
    """Return which nets spoke on what, and how long it took."""
    model = verdict.model
    rows = [
        ("model", f"{model.name} on {', '.join(model.providers)}"),
        ("sha256 of the model", model.sha256),
        *([("numbers", numbers_text(verdict))] if verdict.numbers else []),
        *((f"sha256 of {name}", sha256) for name, sha256 in verdict.nets.items() if name != model.name),
        ("versions", ", ".join(f"{name} {version}" for name, version in verdict.versions.items())),
        ("time", time_text(verdict.seconds)),
    ]
    return table(fact_row(name, text) for name, text in rows)
