# SPDX-License-Identifier: Apache-2.0
"""The tool that makes shards: it makes them of a manifest, lists what gives no clip, and says so by its exit code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_media import talk, write_video, write_wav
from tool_module import load_tool

from cad.data.sharding import FAILURES_NAME
from cad.data.shards import ClipStore

DATA = Path(__file__).resolve().parents[1] / "data"
tool = load_tool("data/make_shards")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for name, split in (("a", "train"), ("b", "train"), ("c", "val")):
        write_wav(folder / f"{name}_{split}.wav", talk(1.0))
    shutil.copy(DATA / "astronaut.jpg", folder / "face_train.jpg")
    write_video(folder / "empty_train.mp4", 0.4)
    (folder / "broken_val.wav").write_bytes(b"no sound")
    return folder


def manifest(folder: Path, *names: str) -> Path:
    path = folder / "manifest.csv"
    header = "path,label,video_fake,audio_fake,method,identity,pair_id,source,split\n"
    flags = {".jpg": "0,-1", ".mp4": "0,0", ".wav": "-1,0"}
    rows = [
        f"{name},real,{flags[Path(name).suffix]},real,p_{name},,page,{Path(name).stem.split('_')[1]}\n"
        for name in names
    ]
    path.write_text(header + "".join(rows))
    return path


def test_rows_become_clips(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    rows = manifest(root, "a_train.wav", "face_train.jpg", "c_val.wav")
    assert tool.main([str(rows), "--out", str(out)]) == 0
    store = ClipStore(out)
    assert set(store.keys) == {"a_train.wav", "face_train.jpg", "c_val.wav"}
    assert store.entry("face_train.jpg").has_frames and store.entry("a_train.wav").has_audio
    assert store.entry("c_val.wav").row["split"] == "val"
    captured = capsys.readouterr()
    assert captured.out == f"3 of 3 rows in {out}\n"
    assert "manifest: 3 clips (0.00 h; the manifest does not say how long 3 of them are)" in captured.err
    assert [path.name for path in out.glob("*.tar")] == ["manifest-000000.tar"]


def test_rows_without_a_clip_are_listed(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    rows = manifest(root, "a_train.wav", "empty_train.mp4", "broken_val.wav", "c_val.wav")
    assert tool.main([str(rows), "--out", str(out)]) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("2 of 4 rows in ")
    assert "empty_train.mp4: no face found" in captured.err
    listed = [line.split("\t") for line in (out / FAILURES_NAME).read_text().splitlines()]
    assert [(path, prefix) for path, _, prefix, _ in listed] == [
        ("empty_train.mp4", "manifest"),
        ("broken_val.wav", "manifest"),
    ]
    # Nothing has changed, so nothing is tried again, and there is nothing to announce.
    assert tool.main([str(rows), "--out", str(out)]) == 3
    captured = capsys.readouterr()
    assert "empty_train.mp4: no face found" in captured.err and "clips" not in captured.err
    # Made good, a row is taken off the list; the other one stays on it.
    write_wav(root / "broken_val.wav", talk(1.0))
    assert tool.main([str(rows), "--out", str(out), "--split", "val"]) == 0
    assert [line.split("\t")[0] for line in (out / FAILURES_NAME).read_text().splitlines()] == ["empty_train.mp4"]
    assert "broken_val.wav" in ClipStore(out)


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.csv").write_text("path,split\n")
    assert tool.main([str(tmp_path / "manifest.csv"), "--out", str(tmp_path / "shards")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("make_shards: ") and err.count("\n") == 1


def test_a_choice_that_is_none_is_one_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(manifest(root, "a_train.wav")), "--out", str(tmp_path / "shards")]
    for wrong, said in (
        (["--split", "dev"], "no row is in these splits"),
        (["--only", "elsewhere/"], "begins with 'elsewhere/'"),
        (["--jobs", "-1"], "jobs and shard_bytes must be 0 or more, got -1"),
        (["--prefix", "a/b"], "must be a file name, got 'a/b'"),
    ):
        assert tool.main([*words, *wrong]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("make_shards: ") and said in last


def test_many_failures_are_counted(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = manifest(root, *(f"missing_train_{number}.wav" for number in range(tool.SHOWN + 5)))
    assert tool.main([str(rows), "--out", str(tmp_path / "shards"), "--jobs", "1"]) == 3
    err = capsys.readouterr().err
    assert err.count("there is no such file") == tool.SHOWN and "and 5 more, see" in err
