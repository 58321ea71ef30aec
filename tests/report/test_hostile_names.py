# SPDX-License-Identifier: Apache-2.0
"""Names of files and tags in them are a stranger's: no reader, terminal or browser obeys what they say."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import re
import subprocess

import cv2
import jsonschema
import numpy as np
import pytest
from made_analysis import analysis, face
from requirements import needs
from tiny_model import tiny_spec

from cad.cli import LineFormatter
from cad.detector import Result
from cad.errors import DocumentError, MediaUnreadableError
from cad.faces.track_book import FacePicture
from cad.report.html import error_section, page_end, page_start, verdict_section
from cad.report.text import error_text, verdict_text
from cad.report.writers import JsonLinesWriter, JsonWriter
from cad.verdict.document import verdict_schema
from cad.verdict.judge import judge
from cad.verdict.records import MediaTrack, Reason, Verdict

NOT_TEXT = os.fsdecode(b"caf\xe9 \xff/a%20b.wav")
#: What a terminal or a browser would obey: escape, bell, C1, directions, no width, line ends.
OBEYED = "\x1b]0;x\x07\x9b2J\u202e\u2066\u200b\u2028\r\nforged: REAL\x00\udcff"
INJECTED = (
    '"><script>document.title="HURT"</script><img src=x onerror="document.title=\'HURT\'">'
    "<style>body{display:none}</style><link rel=stylesheet href=http://127.0.0.1/x.css></title></style></h2>"
    "<base href=http://127.0.0.1/><svg onload=\"document.title='HURT'\">"
)


def verdict_of(text: str) -> Verdict:
    """Return a verdict that has ``text`` wherever a file can put it."""
    made = judge(analysis(face(0, 100, video=3.0)), tiny_spec())
    tracks = tuple(
        MediaTrack("audio", number, "aac", text, text, False, False, f"not judged {text}", None) for number in (1, 2)
    )
    media = dataclasses.replace(made.media, tracks=tracks)
    return dataclasses.replace(made, path=text, media=media, reasons=(*made.reasons, Reason("code", text)))


def strictly_read(text: str):
    """Return the values of JSON text, as a reader takes them that knows of no lone surrogates."""
    text.encode("ascii")
    values = json.loads(text, parse_constant=pytest.fail)
    json.dumps(values, ensure_ascii=False).encode("utf-8")
    return values


@pytest.mark.parametrize("path", [NOT_TEXT, "\ud800.wav", "caf\u00e9\ud83d\ude00", OBEYED.replace("\x00", "")])
def test_json_is_text_for_every_reader(path):
    results = [Result(path, verdict_of(path)), Result(path, error=MediaUnreadableError(path, f"no media: {path}"))]
    out = io.StringIO()
    for writer in (JsonWriter(out, single=False), JsonLinesWriter(out)):
        out.seek(0)
        out.truncate()
        for result in results:
            writer.take(result)
        writer.close()
        lines = [out.getvalue()] if isinstance(writer, JsonWriter) else out.getvalue().splitlines()
        for document in [one for line in lines for one in np.atleast_1d(strictly_read(line))]:
            jsonschema.validate(document, verdict_schema())
            assert document["path"] == re.sub("[\ud800-\udfff]", "\ufffd", path)


def test_the_bytes_of_a_name_stand_beside_it_only_where_they_are_needed():
    document = json.loads(verdict_of(NOT_TEXT).to_json())
    assert document["path"] == "caf\ufffd \ufffd/a%20b.wav" and document["path_bytes"] == "caf%E9%20%FF/a%2520b.wav"
    error = Result(NOT_TEXT, error=MediaUnreadableError(NOT_TEXT, "none")).to_dict()
    assert error["path_bytes"] == document["path_bytes"]
    for path in ("plain.wav", "caf\u00e9.wav", "a%E9.wav", "\ud800.wav"):  # no file can have the last one
        assert "path_bytes" not in verdict_of(path).to_dict()


@pytest.mark.parametrize("path", [NOT_TEXT, "plain.wav", "caf\u00e9.wav", "a%E9.wav", "a\x1b\u202e.wav"])
def test_a_name_comes_back_as_it_was(path):
    assert Verdict.from_json(verdict_of(path).to_json()).path == path


@pytest.mark.parametrize("wrong", [7, None, ["a"]])
def test_bytes_of_a_name_that_are_none_are_refused(wrong):
    document = verdict_of("a.wav").to_dict() | {"path_bytes": wrong}
    with pytest.raises(DocumentError, match="path_bytes"):
        Verdict.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["[" * 200_000, '{"schema":' * 200_000, '{"schema": "cad.verdict/1", "error": [[]]}'])
def test_a_document_without_end_is_a_typed_error(text):
    with pytest.raises(DocumentError):
        Verdict.from_json(text)


def test_a_number_that_is_none_is_a_typed_error():
    document = verdict_of("a.wav").to_dict()
    text = json.dumps(document | {"probability_fake": 1234567.0}).replace("1234567.0", "9" * 400)
    with pytest.raises(DocumentError, match="probability_fake"):
        Verdict.from_json(text)


def assert_harmless(text: str, lines: int) -> None:
    assert len(text.split("\n")) == lines
    assert all(one.isprintable() for one in text.replace("\n", ""))


def test_nothing_of_it_reaches_a_terminal():
    plain, hostile = (verdict_text(verdict_of(text), verbose=True) for text in ("plain", OBEYED))
    assert_harmless(hostile, len(plain.split("\n")))
    assert "\\x1b]0;x\\x07\\x9b2J\\u202e\\u2066\\u200b\\u2028\\r\\nforged" in hostile and "\\udcff" in hostile
    assert_harmless(error_text(OBEYED, MediaUnreadableError(OBEYED, OBEYED)), 1)


def test_nothing_of_it_reaches_the_log():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LineFormatter("cad-detect: %(message)s"))
    try:
        raise ValueError(OBEYED.replace("\n", ""))
    except ValueError as error:
        fault = (ValueError, error, error.__traceback__)
        handler.handle(logging.LogRecord("cad", logging.WARNING, "a", 1, "passed over %s", (OBEYED,), fault))
    text = out.getvalue()
    assert_harmless(text.rstrip("\n"), text.rstrip("\n").count("\n") + 1)
    assert text.split("\n")[0].endswith("\\udcff") and text.split("\n")[1].startswith("Traceback")


def test_nothing_of_it_reaches_a_page():
    sections = verdict_section(verdict_of(OBEYED), {}) + error_section(OBEYED, MediaUnreadableError("", OBEYED))
    text = page_start() + sections + page_end(OBEYED)
    text.encode("utf-8")
    assert all(one.isprintable() for one in text.replace("\n", "")) and "\\u202e" in text


def test_a_page_has_no_style_that_its_policy_forbids():
    page = page_start() + verdict_section(verdict_of("a"), {}) + page_end()
    assert not re.search(r"\sstyle=|\son\w+=|<script|<link|javascript:", page)
    assert page.count("<style>") == 1 and page.index("Content-Security-Policy") < page.index("<style>")
    assert "unsafe" not in page


def browse(folder, page: str, *arguments: str) -> str:
    """Return the DOM of a page after it was loaded and every script in it has run."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=2000", *arguments, f"file://{folder / 'page.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def whole_page(text: str) -> str:
    picture = cv2.imencode(".jpg", np.full((96, 96, 3), 120, np.uint8))[1].tobytes()
    verdict = verdict_of(text)
    pictures = {one.track_id: [FacePicture(slot, picture) for slot in (0, 25)] for one in verdict.faces}
    sections = verdict_section(verdict, pictures) + error_section(text, MediaUnreadableError(text, text))
    return page_start() + sections + page_end()


@needs("chromium")
def test_a_browser_shows_what_was_injected_and_does_nothing_of_it(tmp_path):
    dom = browse(tmp_path, whole_page(INJECTED), "--dump-dom")
    assert "<title>Deepfake analysis</title>" in dom
    assert dom.count("<style") == 1 and "<script" not in dom and "<link" not in dom and "<base" not in dom
    assert "&lt;script&gt;" in dom


@needs("chromium")
def test_the_policy_holds_where_escaping_would_not(tmp_path):
    """The second wall alone: the same markup put into the page as it is."""
    probe = "<h3 id=probe>probe</h3>"
    page = whole_page("a.mp4").replace("</body>", f"{probe}{INJECTED}</body>")
    without = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert "<title>HURT</title>" in browse(tmp_path, without, "--dump-dom")  # the test can fail
    assert "<title>Deepfake analysis</title>" in browse(tmp_path, page, "--dump-dom")


@needs("chromium")
def test_the_policy_lets_the_page_look_as_it_should(tmp_path):
    """Colours of the style sheet and pictures of faces are there, those of an injected style sheet are not."""
    shot = tmp_path / "shot.png"
    hostile = "<style>body,section,h1{background:#00ff00 !important}</style><p style='background:#00ff00'>x</p>"
    page = whole_page("a.mp4").replace("</body>", f"{hostile}</body>")
    browse(tmp_path, page, f"--screenshot={shot}", "--window-size=1000,1400")
    picture = cv2.imread(str(shot))[..., ::-1].reshape(-1, 3).astype(int)

    def share(colour: tuple[int, int, int]) -> float:
        return float((np.abs(picture - colour).max(axis=1) <= 6).mean())

    assert share((0x2F, 0x6F, 0xB3)) > 0.001  # the bar and the curve of the picture
    assert share((120, 120, 120)) > 0.004  # two faces of 80 x 80
    assert share((0, 255, 0)) == 0
