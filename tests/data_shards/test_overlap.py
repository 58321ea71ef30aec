# SPDX-License-Identifier: Apache-2.0
"""Further recordings become a manifest without what the judged rows know."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tool_module import load_tool

from cad.data.manifest import read_manifest

JUDGED = (
    "path,label,method,identity,source,sha256,split\n"
    "a.flac,real,real,ann,page,aa,val\n"
    "b.flac,fake,voice 1,unknown,other page,bb,val\n"
    "c.flac,fake,voice 2,bob,third page,cc,train\n"
)


def write_further(path: Path, rows: list[tuple[str, str, str, str, str]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["out_path", "label", "method", "identity", "source", "sha256"])
        writer.writerows([f"{number}.flac", *row] for number, row in enumerate(rows))


def test_what_the_judged_rows_know_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "judged.csv").write_text(JUDGED)
    write_further(
        tmp_path / "further.csv",
        [
            ("real", "real", "eve", "page", "1"),  # page
            ("real", "real", "ann", "new", "2"),  # speaker
            ("fake", "voice 1", "eve", "new", "3"),  # system
            ("real", "real", "eve", "new", "aa"),  # bytes
            ("real", "real", "unknown", "new", "5"),
            ("fake", "voice 2", "bob", "third page", "cc"),  # of train alone
        ],
    )
    tool, out = load_tool("data/leave_overlap_out"), tmp_path / "out.csv"
    words = [str(tmp_path / "further.csv"), "--judged", str(tmp_path / "judged.csv"), "-o", str(out)]
    assert tool.main(words) == 0
    rows = list(read_manifest(out, tmp_path).records())
    assert [row.path for row in rows] == ["4.flac", "5.flac"]
    assert [(row.label, row.audio_fake, row.video_fake, row.split) for row in rows] == [
        (0, 0, -1, "train"),
        (1, 1, -1, "train"),
    ]
    said = capsys.readouterr().err
    assert all(f"{what} shared with val: 1" in said for what in ("page", "speaker", "system", "bytes"))


def test_a_large_source_is_cut_down_evenly_over_its_systems(tmp_path: Path) -> None:
    (tmp_path / "judged.csv").write_text(JUDGED)
    many = [("fake", f"new {int(number > 9)}", "x", "large", str(number)) for number in range(20)]
    write_further(tmp_path / "further.csv", [*many, ("real", "real", "eve", "small", "y")])
    out = tmp_path / "out.parquet"
    words = [str(tmp_path / "further.csv"), "--judged", str(tmp_path / "judged.csv"), "--most", "6", "-o", str(out)]
    assert load_tool("data/leave_overlap_out").main(words) == 0
    kept = read_manifest(out)
    assert kept.root == tmp_path and sorted(row.method for row in kept.records()) == [
        *["new 0"] * 3, *["new 1"] * 3, "real"
    ]  # fmt: skip


def test_pictures_are_labelled_by_their_picture(tmp_path: Path) -> None:
    (tmp_path / "judged.csv").write_text(JUDGED)
    (tmp_path / "further.csv").write_text(
        "path,label,method,identity,source,sha256,video_fake,audio_fake\n"
        "a.png,real,real,eve,new,1,,\n"
        "b.mp4,fake,swap,eve,new,2,1,0\n"
    )
    out = tmp_path / "out.csv"
    words = [str(tmp_path / "further.csv"), "--judged", str(tmp_path / "judged.csv"), "--pictures", "-o", str(out)]
    assert load_tool("data/leave_overlap_out").main(words) == 0
    rows = list(read_manifest(out, tmp_path).records())
    assert [(row.label, row.video_fake, row.audio_fake) for row in rows] == [(0, 0, -1), (1, 1, 0)]
