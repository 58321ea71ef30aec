# SPDX-License-Identifier: Apache-2.0
"""tools/fairness.py from its command line to its files, with the tiny model and the packaged face finder."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import talk, write_wav
from tool_module import load_tool

from cad.evaluation.fairness.measuring import FileMeasurer

tool = load_tool("fairness")
DATA = Path(__file__).parents[1] / "data"
HEADER = ["path", "label", "split", "language", "sex", "has_face", "accent"]


def write_rows(folder: Path, rows: list[list[str]]) -> Path:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genuine face as it is and darkened, pictures without a face, a voice, and a file that is no medium."""
    folder = tmp_path_factory.mktemp("genuine")
    shutil.copy(DATA / "astronaut.jpg", folder / "light.jpg")
    picture = cv2.imread(str(DATA / "astronaut.jpg"))
    cv2.imwrite(str(folder / "dark.png"), (picture * 0.35).astype(np.uint8))
    for name in ("wall.png", "sky.png"):
        cv2.imwrite(str(folder / name), np.full((120, 160, 3), (40, 60, 90), np.uint8))
    write_wav(folder / "voice.wav", talk(1.8, 0.05), 16_000)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    write_rows(
        folder,
        [
            ["light.jpg", "real", "val", "", "female", "", ""],
            ["dark.png", "real", "val", "", "female", "1", ""],
            ["wall.png", "real", "val", "", "", "", ""],
            ["sky.png", "real", "val", "", "", "0", ""],
            ["voice.wav", "real", "val", "en", "", "", ""],
            ["broken.jpg", "real", "val", "", "", "", ""],
            ["absent.jpg", "fake", "val", "", "", "", ""],
        ],
    )
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path, tiny_weights: Path) -> Path:
    out = folder / "out"
    assert tool.main(line(folder, out, tiny_weights)) == 0
    return out


def line(folder: Path, out: Path, weights: Path, *more: str) -> list[str]:
    manifest = str(folder / "manifest.csv")
    return ["--manifest", manifest, "--root", str(folder), "--weights", str(weights), "-o", str(out), *more]


def test_everything_genuine_is_measured_and_nothing_else(measured: Path) -> None:
    with (measured / "files.csv").open(encoding="utf-8") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["light.jpg", "dark.png", "wall.png", "sky.png", "voice.wav", "broken.jpg"]
    assert rows["light.jpg"]["bin: skin tone"] == "very light" and rows["light.jpg"]["faces"] == "1"
    light, dark = (float(rows[name]["face_typology_degrees"]) for name in ("light.jpg", "dark.png"))
    assert light - dark > 40 and rows["dark.png"]["bin: light on the face"] in ("mean L* below 30", "30 to 45")
    assert rows["wall.png"]["faces"] == "0" and rows["wall.png"]["bin: face height"] == "unknown"
    assert rows["voice.wav"]["bin: sample rate"] == "16 kHz" and rows["voice.wav"]["bin: skin tone"] == ""
    assert rows["broken.jpg"]["answer"] == "error" and rows["broken.jpg"]["error"]


def test_the_report_says_who_was_not_seen(measured: Path) -> None:
    bins = json.loads((measured / "report.json").read_text())["bins"]
    (stills,) = (one for one in bins if one["domain"] == "still pictures" and one["name"] == "all")
    # The sky is said to show no face; the wall is not.
    assert (stills["files"], stills["shown"], stills["missed"], stills["large_missed"]) == (4, 3, 1, 1)
    assert {one["bin"] for one in bins if one["name"] == "sex"} == {"female", "not stated"}
    assert {one["bin"] for one in bins if one["name"] == "language"} == {"en"}
    assert not any(one["name"] == "accent" for one in bins), "nothing is stated of it"
    text = (measured / "report.md").read_text()
    assert "Not readable and left out" in text and "| very light | 1 |" in text and "small" in text


def test_a_run_goes_on_where_it_stopped(
    measured: Path, folder: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    lines = (measured / "measures.jsonl").read_text().splitlines(keepends=True)
    (out / "measures.jsonl").write_text("".join(lines[:5]) + lines[5][:20])  # four files and a line that was cut off
    seen: list[str] = []
    real = FileMeasurer.measure
    monkeypatch.setattr(FileMeasurer, "measure", lambda self, path, file: seen.append(path) or real(self, path, file))
    assert tool.main(line(folder, out, tiny_weights)) == 0
    assert seen == ["voice.wav", "broken.jpg"]
    assert (out / "measures.jsonl").read_text().splitlines()[:5] == [one.rstrip("\n") for one in lines[:5]]
    assert (out / "report.json").read_text() == (measured / "report.json").read_text()


def test_measures_of_other_weights_are_refused(
    measured: Path, folder: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, words in (('{"measurer": "other"}\n', "holds measures by other"), ("[1]\n", "is not a log")):
        (tmp_path / "measures.jsonl").write_text(text)
        assert tool.main(line(folder, tmp_path, tiny_weights)) == 2
        assert words in one_line(capsys)


def test_the_bar_is_the_exit_code(
    measured: Path, folder: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(line(folder, measured, tiny_weights, "--bar")) == 0
    # Sixty genuine faces, all of which the log calls fake, and sixty that it does not.
    first, light, *_ = (measured / "measures.jsonl").read_text().splitlines()
    made = [{**json.loads(light), "path": f"{n}.jpg", "answer": "fake" if n < 60 else "real"} for n in range(120)]
    for one in made[60:]:
        one["face"] = {**one["face"], "typology_degrees": 20.0}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "measures.jsonl").write_text("\n".join([first, *map(json.dumps, made)]) + "\n")
    for one in made:
        (tmp_path / one["path"]).touch()
    write_rows(tmp_path, [[one["path"], "real", "val", "", "", "", ""] for one in made])
    assert tool.main(line(tmp_path, tmp_path / "out", tiny_weights)) == 0
    capsys.readouterr()
    assert tool.main(line(tmp_path, tmp_path / "out", tiny_weights, "--bar")) == 1
    out, err = capsys.readouterr()
    assert "breaks the bar: still pictures, skin tone very light: called fake 100.0%, 50.0% in the mean" in err
    assert "**breaks it**" in out


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the only line on stderr that is no progress, and see that stdout is empty."""
    out, err = capsys.readouterr()
    (text,) = (one for one in err.splitlines() if not one.startswith(("fairness: 0/", "fairness: 6 files")))
    assert out == ""
    return text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["a.jpg", "perhaps", "", "", "", "", ""]], "label 'perhaps'"),
        ([["", "real", "", "", "", "", ""]], "no path"),
        ([["gone.jpg", "real", "", "", "", "", ""]], "no such file under"),
        ([["here.jpg", "fake", "", "", "", "", ""]], "none of the 1 rows is genuine"),
        ([["here.jpg", "real", "", "", "", "maybe", ""]], "has_face is not 1, 0 or empty: here.jpg (maybe)"),
    ],
)
def test_a_bad_manifest_is_one_clear_line(
    rows: list[list[str]], words: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here.jpg").touch()
    write_rows(tmp_path, rows)
    assert tool.main(line(tmp_path, tmp_path / "out", tiny_weights)) == 2
    assert words in one_line(capsys) and not (tmp_path / "out").exists()


def test_what_is_not_there_is_named(
    folder: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, words in (
        (["--by", "shoe_size"], "no column shoe_size; there are path"),
        (["--split", "test"], "no row has split 'test'"),
        (["--where", "sex=both"], "no row with sex 'both'"),
        (["--manifest", str(tmp_path / "none.csv")], "there is no manifest"),
    ):
        assert tool.main(line(folder, tmp_path / "out", tiny_weights, *more)) == 2
        assert words in one_line(capsys)
    assert tool.main(line(folder, tmp_path / "out", tmp_path / "no_weights")) == 4


def test_where_nothing_can_be_read_the_exit_code_says_so(
    folder: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    write_rows(tmp_path, [["broken.jpg", "real", "", "", "", "", ""]])
    assert tool.main(line(tmp_path, tmp_path / "out", tiny_weights, "--bar")) == 3
    assert "none of the 1 genuine files could be read" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "report.json").read_text())["bins"] == []
