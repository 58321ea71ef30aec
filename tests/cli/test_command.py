# SPDX-License-Identifier: Apache-2.0
"""cad-detect from its arguments to stdout, stderr and the exit code."""

from __future__ import annotations

import io
import json
import re
import sys

import cv2
import numpy as np
import pytest
from made_media import DARK, RED, WholePictureTracker, stand_in_for_faces, talk, write_video, write_wav

from cad.cli import main

CONTRACT_KEYS = {
    "schema",
    "path",
    "label",
    "probability_fake",
    "streams",
    "segments",
    "reasons",
    "media",
    "model",
    "seconds",
}


@pytest.fixture
def run(tiny_weights, monkeypatch, capsys):
    """Run the command in this process with the tiny model; return the exit code, stdout and stderr."""
    stand_in_for_faces(monkeypatch)

    def call(*arguments: object, stdin: str = "", model: bool = True) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main([*(["--model", str(tiny_weights)] if model else []), *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "fake.mp4", 3.0, RED, talk(3.0, 0.05))
    write_video(folder / "real.mp4", 3.0, DARK, talk(3.0, 0.05))
    write_wav(folder / "voice.wav", talk(3.0, 0.05))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "letter.mp4").write_text("Dear Sir or Madam,\n" * 100)
    return folder


def test_one_line_a_file_and_the_evidence_under_it(run, media):
    code, out, err = run(media / "fake.mp4")
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert re.fullmatch(r".*fake\.mp4: FAKE \(probability of fake 0\.\d\d\)", lines[0])
    assert [line.split()[0] for line in lines[1:4]] == ["video", "audio", "sync"]
    assert "segment 0.00 s to 3.00 s (video" in out


def test_results_come_in_the_order_of_the_files(run, media):
    code, out, _ = run(media / "real.mp4", media / "fake.mp4", media / "voice.wav")
    heads = [line for line in out.splitlines() if not line.startswith(" ")]
    assert code == 0
    assert [head.split(":")[-1].split()[0] for head in heads] == ["REAL", "FAKE", "REAL"]


def test_json_of_one_file_is_the_object_of_the_contract(run, media):
    code, out, err = run("--json", media / "fake.mp4")
    document = json.loads(out)
    assert code == 0 and err == ""
    assert set(document) >= CONTRACT_KEYS
    assert document["schema"] == "cad.verdict/1" and document["label"] == "fake"
    assert set(document["streams"]) == {"video", "audio", "sync"}
    assert all(set(stream) >= {"probability_fake", "reason"} for stream in document["streams"].values())
    assert set(document["segments"][0]) >= {"start_seconds", "stop_seconds", "stream", "probability_fake"}
    assert set(document["media"]) >= {"duration_seconds", "width", "height", "fps", "audio_hz", "coverage"}
    assert set(document["model"]) >= {"name", "sha256", "providers"}
    assert 0.0 <= document["probability_fake"] <= 1.0 and document["seconds"]["total"] > 0


def test_json_of_several_files_is_an_array_and_a_bad_file_is_one_row(run, media):
    code, out, _ = run("--json", media / "letter.mp4", media / "real.mp4")
    bad, good = json.loads(out)
    assert code == 3
    assert set(bad) == {"schema", "path", "error"} and set(bad["error"]) == {"code", "text"}
    assert good["label"] == "real"


def test_jsonl_is_a_line_a_file(run, media):
    code, out, _ = run("--jsonl", media / "fake.mp4", media / "empty.mp4", media / "real.mp4")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert [row.get("label", "error") for row in rows] == ["fake", "error", "real"]


def test_json_and_jsonl_exclude_each_other(run, media):
    code, out, err = run("--json", "--jsonl", media / "fake.mp4")
    assert (code, out) == (2, "") and "exclude" in err


def test_fail_on_fake_is_a_gate(run, media):
    assert run("--fail-on", "fake", media / "fake.mp4")[0] == 1
    assert run("--fail-on", "fake", media / "real.mp4")[0] == 0
    assert run("--fail-on", "fake", media / "empty.mp4", media / "fake.mp4")[0] == 1
    assert run("--fail-on", "fake", media / "empty.mp4", media / "real.mp4")[0] == 3
    assert run("--fail-on", "poem", media / "real.mp4")[0] == 2


@pytest.mark.parametrize(
    ("name", "code_name", "says"),
    [
        ("missing.mp4", "not_found", "no such file"),
        ("empty.mp4", "undecodable", "empty"),
        ("letter.mp4", "undecodable", ""),
        (".", "not_found", "--recursive"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_3(run, media, name, code_name, says):
    code, out, err = run(media / name)
    assert code == 3 and err == ""
    (line,) = out.splitlines()
    assert f"ERROR ({code_name})" in line and says in line
    assert "Traceback" not in out


def test_a_short_clip_is_a_verdict_and_no_error(run, tmp_path):
    code, out, _ = run(write_video(tmp_path / "short.mp4", 0.3, RED))
    assert code == 0
    assert "INCONCLUSIVE" in out and "too_short" in out


def test_a_folder_is_searched_on_request(run, media):
    code, out, _ = run("--recursive", "--jsonl", media)
    paths = [json.loads(line)["path"] for line in out.splitlines()]
    assert code == 3
    assert paths == sorted(str(path) for path in media.iterdir())


def test_a_folder_without_media_is_an_error(run, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    code, out, _ = run("--recursive", tmp_path)
    assert code == 3 and "no media files" in out


def test_a_dash_reads_paths_from_standard_input(run, media):
    code, out, _ = run("--jsonl", "-", stdin=f"{media / 'real.mp4'}\n\n{media / 'voice.wav'}\r\n")
    assert code == 0
    assert [json.loads(line)["path"] for line in out.splitlines()] == [
        str(media / "real.mp4"),
        str(media / "voice.wav"),
    ]


def test_no_files_is_wrong_usage(run):
    code, out, err = run()
    assert (code, out) == (2, "") and "FILE" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--threads", "-1"], "threads"),
        (["--device", "abacus"], "abacus"),
        (["--providers", "AbacusProvider"], "AbacusProvider"),
        (["--max-seconds", "0"], "duration"),
        (["--no-such-flag"], "no-such-flag"),
        (["--html", "/no/such/folder/report.html"], "report"),
    ],
)
def test_wrong_options_are_usage_errors_without_traceback(run, media, arguments, says):
    code, out, err = run(*arguments, media / "real.mp4")
    assert (code, out) == (2, "")
    assert says in err and "Traceback" not in err


def test_unknown_weights_are_exit_code_4_and_name_what_there_is(run, media):
    code, out, err = run("--model", "face_yunet", media / "real.mp4", model=False)
    assert (code, out) == (4, "")
    assert "face_yunet" in err and len(err.splitlines()) == 1


def test_a_limit_is_a_row_with_its_code(run, media):
    code, out, _ = run("--json", "--max-seconds", "1", media / "real.mp4")
    assert code == 3
    assert json.loads(out)["error"]["code"] == "too_large"


def test_a_fault_in_one_file_is_one_row_and_the_others_go_on(run, media, monkeypatch):
    class Broken(WholePictureTracker):
        def push(self, chunk):
            raise RuntimeError("boom")

    stand_in_for_faces(monkeypatch, Broken)
    code, out, _ = run("--jsonl", media / "real.mp4", media / "voice.wav")
    bad, good = (json.loads(line) for line in out.splitlines())
    assert code == 3
    assert bad["error"]["code"] == "internal" and "boom" in bad["error"]["text"]
    assert good["label"] == "real"


def test_the_report_is_one_page_with_everything_in_it(run, media, tmp_path):
    page = tmp_path / "report.html"
    code, out, _ = run("--html", page, media / "fake.mp4", media / "letter.mp4")
    text = page.read_text(encoding="utf-8")
    assert code == 3 and "FAKE" in out
    assert text.count("<section>") == 2 and "<svg" in text and "data:image/jpeg;base64," in text
    assert not re.search(r"<script|<link|(?:src|href)=\"(?!data:)", text)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_more_detail_on_request(run, media):
    _, out, _ = run("-v", media / "real.mp4")
    assert "320x240 at 25.00 fps" in out and "tiny" in out and "total" in out and "face 0" in out


def test_a_hostile_name_does_not_reach_the_terminal(run, tmp_path):
    path = tmp_path / "a\x1b[2J\nb.wav"
    write_wav(path, talk(2.0, 0.05))
    _, out, _ = run(path)
    assert "\x1b" not in out and "a\\x1b[2J\\nb.wav: REAL" in out


def test_a_still_picture_goes_through(run, tmp_path):
    cv2.imwrite(str(tmp_path / "still.png"), np.full((240, 320, 3), DARK[::-1], np.uint8))
    code, out, _ = run(tmp_path / "still.png")
    assert code == 0 and "still_image" in out


def test_models_are_listed_with_their_hashes(run):
    from cad.weights import list_entries

    code, out, err = run("models", model=False)
    detectors = list_entries("detector")
    assert code == (0 if detectors else 4) and err == ""
    for entry in list_entries():
        assert entry.name in out and entry.sha256 in out
    _, out, _ = run("models", "--json", model=False)
    assert {row["name"] for row in json.loads(out)} == {entry.name for entry in list_entries()}


def test_help_and_version(run):
    code, out, _ = run("--help", model=False)
    assert code == 0 and "--fail-on" in out and "models" in out
    code, out, _ = run("--version", model=False)
    assert code == 0 and out.startswith("cad-detect ")


def test_output_that_cannot_be_written_is_one_line(run, media, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cad.report.writers.HtmlWriter.close", lambda self, left_out="": full(self, b""))
    code, _, err = run("--html", tmp_path / "report.html", media / "voice.wav")
    assert code == 2
    assert err.splitlines() == ["cad-detect: [Errno 28] No space left on device"]


def test_the_profile_stands_on_stderr_and_its_stages_fill_the_time(run, media):
    code, out, err = run("--profile", media / "fake.mp4", media / "empty.mp4", media / "voice.wav")
    assert code == 3 and "start of the program" not in out
    assert err.count("start of the program: ") == 1 and err.count(" s for 3.00 s of media") == 2
    for name, stages in (("fake.mp4", {"open", "hear", "read", "faces", "wait", "score", "rest"}),
                         ("voice.wav", {"open", "hear", "score", "rest"})):  # fmt: skip
        lines = err.partition(f"{media / name}: ")[2].splitlines()
        total = float(lines[0].split()[0])
        rows = {words[0]: float(words[1]) for words in map(str.split, lines[1:8]) if len(words) > 3 and words[2] == "s"}
        assert stages <= set(rows)
        assert sum(spent for stage, spent in rows.items() if stage != "score") == pytest.approx(total, abs=0.04)


def test_nothing_is_said_of_the_time_unasked(run, media):
    assert "start of the program" not in run(media / "fake.mp4")[2]
