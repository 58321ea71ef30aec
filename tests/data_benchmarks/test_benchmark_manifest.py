# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from layouts import fakeavceleb
from layouts.layout import touch

from cad.data.benchmarks.enrich import identity_splits, probe
from cad.data.benchmarks.near_duplicates import find_near_duplicates
from cad.data.checks import check_manifest, findings_text, refuse_errors
from cad.data.manifest import Manifest, Row, frame_of, read_manifest
from cad.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "datasets"))

import prepare  # noqa: E402

ROWS = [
    Row("a.mp4", 0, 0, 0, identity="ann", split="train", duration_seconds=2.0),
    Row("b.mp4", 1, 1, 0, "swap", identity="bob", split="val", fake_segments=((0.5, 1.0),), duration_seconds=2.0),
]


def write_clip(path: Path, fps: Fraction, seconds: float, seed: int, size: int = 96) -> Path:
    """A moving random texture with a tone, encoded with H.264 and AAC."""
    rng = np.random.default_rng(seed)
    texture = (rng.random((8, 8, 3)) * 255).astype(np.uint8).repeat(size // 4, axis=0).repeat(size // 4, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = size, size, "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(texture, number, 1)[:size, :size]))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        time = np.arange(round(seconds * 16_000)) / 16_000
        tones = sum(np.sin(2 * np.pi * f * time + rng.random()) * (1 + np.sin(2 * np.pi * rng.uniform(1, 5) * time))
                    for f in rng.uniform(200, 3000, 12))  # fmt: skip
        sound = av.AudioFrame.from_ndarray((tones / 30).astype(np.float32)[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 16_000, 0, Fraction(1, 16_000)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def codes(rows, tmp_path, split=None, **options):
    for row in rows:
        if "gone" not in row.path:
            touch(tmp_path, row.path)
    findings = check_manifest(Manifest(frame_of(rows), tmp_path), split, **options)
    return {finding.code: finding for finding in findings}


def test_good_rows_pass(tmp_path):
    assert codes(ROWS, tmp_path) == {}


def test_checks_name_what_is_wrong(tmp_path):
    rows = [
        Row("a.mp4", 0, 0, 0, identity="ann", split="train", sha256="0" * 64),
        Row("b.mp4", 1, 1, 0, identity="ann", split="val", fake_segments=((1.5, 2.5),), duration_seconds=2.0),
        Row("gone.mp4", 1, 1, 0, identity="bob", split="val", fake_segments=((1.0, 0.5),)),
        Row("c.mp4", 0, 0, 0, identity="unknown", split="train", fake_segments=((0.0, 1.0),), pair_id="p"),
        Row("d.mp4", 0, 0, 0, identity="unknown", split="val", pair_id="p"),
    ]
    found = codes(rows, tmp_path, hashes=True)
    assert set(found) == {
        "missing_file", "wrong_hash", "identity_on_two_sides", "voice_on_two_sides", "pair_on_two_sides",
        "bad_segments", "segments_on_real",
    }  # fmt: skip
    assert found["identity_on_two_sides"].examples == ("ann",)  # and not "unknown"
    assert found["bad_segments"].count == 2
    with pytest.raises(DataError, match="identity_on_two_sides"):
        refuse_errors("m", list(found.values()))
    assert "1 times" in findings_text("m", list(found.values()))


def test_one_class_and_no_file(tmp_path):
    found = codes([Row("gone1.mp4", 0), Row("gone2.mp4", 0)], tmp_path)
    assert set(found) == {"one_class", "missing_file"} and "check --root" in found["missing_file"].text


def test_near_duplicates_across_splits(tmp_path):
    """A copy that was shrunk and re-encoded is found on the other side of the split; other clips are not."""
    from cad.evaluation.perturb.catalogue import perturb_file, perturbation

    first = write_clip(tmp_path / "first.mp4", Fraction(25), 1.2, seed=1)
    write_clip(tmp_path / "other.mp4", Fraction(25), 1.2, seed=2)
    copy = perturb_file(first, tmp_path / "copy", perturbation("h264_crf", 30))
    rows = [
        Row("first.mp4", 0, split="train"),
        Row("other.mp4", 0, split="val"),
        Row(copy.name, 1, split="val"),
    ]
    found = find_near_duplicates(Manifest(frame_of(rows), tmp_path))
    assert {(pair.first, pair.second, pair.medium) for pair in found} == {
        ("first.mp4", copy.name, "picture"),
        ("first.mp4", copy.name, "sound"),
    }


def test_probe_reads_the_rate_that_the_file_has(tmp_path):
    seconds, fps = probe(write_clip(tmp_path / "ntsc.mp4", Fraction(30_000, 1001), 1.0, seed=1))
    assert fps == pytest.approx(29.97, abs=0.01) and seconds == pytest.approx(1.0, abs=0.1)


def test_bytes_that_are_no_media_are_told_whatever_their_name(tmp_path):
    for suffix in (".mp4", ".wav", ".flac", ".mp3", ".ogg", ".avi"):
        (tmp_path / f"a{suffix}").write_bytes(b"no media at all " * 9)
        (tmp_path / f"b{suffix}").write_bytes(b"")
        for name in "ab":
            with pytest.raises(DataError, match=r"cannot be opened|has neither picture nor sound"):
                probe(tmp_path / f"{name}{suffix}")


def test_sound_alone_has_a_duration_and_no_rate(tmp_path):
    with av.open(str(tmp_path / "a.flac"), "w") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    seconds, fps = probe(tmp_path / "a.flac")
    assert seconds == pytest.approx(1.0, abs=0.05) and fps == -1.0


def test_prepare_writes_a_manifest_and_tells_what_is_wrong(tmp_path, capsys):
    root = tmp_path / "set"
    fakeavceleb.make(root)
    (root / fakeavceleb.ROWS[2].path).unlink()
    clip = "RealVideo-RealAudio/African/men/id00076/00109.mp4"
    write_clip(root / clip, Fraction(30_000, 1001), 1.0, seed=1)
    output = tmp_path / "out" / "m.parquet"
    splits = tmp_path / "splits.csv"
    splits.write_text("identity,split\nid00076,test\n")
    arguments = ["fakeavceleb", "--root", str(root), "-o", str(output), "--identity-split", str(splits)]
    assert prepare.main(arguments) == 0
    out, err = capsys.readouterr()
    assert "8 rows" in out and "1 x duplicate_row" in err and "1 x missing_file" in err
    assert "5 x identity_without_split" in err and "7 x unreadable" in err  # the others are not media
    rows = read_manifest(output).rows.set_index("path")
    assert rows.loc[clip, "fps"] == pytest.approx(29.97, abs=0.01) and len(rows.loc[clip, "sha256"]) == 64
    assert rows["split"].value_counts().to_dict() == {"": 5, "test": 3}
    assert fakeavceleb.ROWS[2].path in output.with_suffix(".problems.csv").read_text()


def test_prepare_says_what_is_wrong_with_its_arguments(tmp_path, capsys):
    assert prepare.main(["fakavceleb", "--root", str(tmp_path)]) == 2
    assert "did you mean fakeavceleb" in capsys.readouterr().err
    assert prepare.main(["lavdf", "--root", str(tmp_path)]) == 2
    assert "does not look like the root of LAV-DF" in capsys.readouterr().err


def test_the_published_identity_split_is_disjoint_and_whole():
    splits = identity_splits(ROOT / "datasets/fakeavceleb/identity_split.csv")
    counts = {split: list(splits.values()).count(split) for split in ("train", "val", "test")}
    assert counts == {"train": 314, "val": 35, "test": 151}


def test_an_identity_in_two_splits_is_refused(tmp_path):
    (tmp_path / "s.csv").write_text("identity,split\nann,train\nann,test\n")
    with pytest.raises(DataError, match="ann is in train and test"):
        identity_splits(tmp_path / "s.csv")


@pytest.mark.shared
def test_the_training_clips_manifest(shared_data):
    manifest = read_manifest(shared_data / "manifest.csv")
    errors = [f for f in check_manifest(manifest, "val") if f.severity == "error"]
    assert errors == []
