# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import io
import json
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from requirements import require

from cad.data.crop_coding import code_crops
from cad.data.records import Clip
from cad.data.shards import ClipStore, Coding, ShardWriter, shard_paths
from cad.errors import DataError


def make_clip(key: str, rng: np.random.Generator, slots: int = 30, picture: bool = True, sound: bool = True) -> Clip:
    frames_present = rng.random(slots) > 0.2 if picture else np.zeros(slots, bool)
    return Clip(
        key=key,
        frames=rng.integers(0, 256, (slots, 192, 192, 3), np.uint8) if picture else None,
        points_px=rng.random((slots, 5, 2), np.float32) if picture else None,
        frames_present=frames_present,
        audio=rng.uniform(-1, 1, slots * 640).astype(np.float32) if sound else None,
        audio_present=np.full(slots, sound),
        identity="p1",
        source="page.io",
        pair_id="pair",
    )


def coded(clip: Clip) -> Clip:
    """Return what is left of a clip when its crops have been coded."""
    frames = None if clip.frames is None else np.asarray(code_crops(clip.frames, clip.frames_present))
    return replace(clip, frames=frames)


def write(folder: Path, clips: list[Clip], coding: Coding = "raw", **options: int) -> None:
    with ShardWriter(folder, "train", **options) as writer:
        for clip in clips:
            writer.write(clip, {"label": "real", "split": "train"}, coding)


def same(a: Clip, b: Clip, start: int, stop: int) -> None:
    assert (a.key, a.identity, a.source, a.pair_id) == (b.key, b.identity, b.source, b.pair_id)
    np.testing.assert_array_equal(a.frames_present, b.frames_present[start:stop])
    np.testing.assert_array_equal(a.audio_present, b.audio_present[start:stop])
    for got, want in ((a.frames, b.frames), (a.points_px, b.points_px)):
        assert (got is None) == (want is None)
        if got is not None and want is not None:
            np.testing.assert_array_equal(got, want[start:stop])
    assert (a.audio is None) == (b.audio is None)
    if a.audio is not None and b.audio is not None:
        # Half a step of 16-bit sound, one whole step at full scale.
        np.testing.assert_allclose(a.audio, b.audio[start * 640 : stop * 640], atol=1.001 / 32768)


@pytest.mark.parametrize("coding", ["raw", "jpeg"])
def test_a_stretch_comes_back_as_it_was_written(tmp_path: Path, rng: np.random.Generator, coding: Coding) -> None:
    clips = [
        make_clip("av/a.b/one.mp4", rng),
        make_clip("av/silent.mp4", rng, sound=False),
        make_clip("speech/x.flac", rng, picture=False),
    ]
    write(tmp_path, clips, coding)
    if coding == "jpeg":
        clips = [coded(clip) for clip in clips]
    store = ClipStore(tmp_path)
    assert store.keys == tuple(clip.key for clip in clips)
    for clip in clips:
        same(store.read(clip.key), clip, 0, 30)
        same(store.read(clip.key, 7, 19), clip, 7, 19)
        same(store.read(clip.key, 20, 99), clip, 20, 30)


def test_crops_of_a_store_are_written_again_without_loss(tmp_path: Path, rng: np.random.Generator) -> None:
    write(tmp_path / "first", [make_clip("a.mp4", rng)], "jpeg")
    clip = ClipStore(tmp_path / "first").read("a.mp4", 3, 20)
    write(tmp_path / "second", [clip], "jpeg")
    same(ClipStore(tmp_path / "second").read("a.mp4"), clip, 0, 17)


def test_sets_are_told_apart_by_name(tmp_path: Path, rng: np.random.Generator) -> None:
    clips = {name: make_clip("a.mp4", rng, slots=3) for name in ("fav", "lavdf")}
    for name, clip in clips.items():
        write(tmp_path / name, [clip])
    store = ClipStore.of_sets({name: tmp_path / name for name in clips})
    assert store.keys == ("fav/a.mp4", "lavdf/a.mp4") and "a.mp4" not in store
    for name, clip in clips.items():
        assert store.entry(f"{name}/a.mp4").key == f"{name}/a.mp4"
        same(store.read(f"{name}/a.mp4"), replace(clip, key=f"{name}/a.mp4"), 0, 3)
    with pytest.raises(DataError, match="no shard"):
        ClipStore.of_sets({"fav": tmp_path / "fav", "other": tmp_path / "other"})


def test_more_shards_are_read_than_files_may_be_open(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cad.data.shards._MOST_MAPS", 3)
    clips = [make_clip(f"{number}.mp4", rng, slots=1) for number in range(8)]
    write(tmp_path, clips, shard_bytes=1)
    store = ClipStore(tmp_path)
    held = [store.read(clip.key) for clip in clips]
    assert len(store._maps) == 3
    for clip, read in zip(clips, held, strict=True):
        same(read, clip, 0, 1)


def test_the_entry_needs_no_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    write(tmp_path, [make_clip("a.mp4", rng), make_clip("b.flac", rng, picture=False)])
    store = ClipStore(tmp_path)
    assert store.entry("a.mp4").has_frames and store.entry("a.mp4").has_audio
    assert not store.entry("b.flac").has_frames
    assert store.entry("b.flac").row["source"] == "page.io"
    assert store.entry("b.flac").row["split"] == "train"


@pytest.mark.parametrize(("label", "is_genuine"), [("0", True), ("real", True), ("1", False), ("fake", False)])
def test_labels_are_numbers_and_in_older_shards_words(
    tmp_path: Path, rng: np.random.Generator, label: str, is_genuine: bool
) -> None:
    with ShardWriter(tmp_path, "train") as writer:
        writer.write(make_clip("a.flac", rng, picture=False), {"label": label})
    assert ClipStore(tmp_path).entry("a.flac").is_genuine == is_genuine


def test_the_webdataset_library_reads_the_same_members_in_order(tmp_path: Path, rng: np.random.Generator) -> None:
    require("webdataset")
    import webdataset as wds

    clips = [make_clip(f"av/x.y/{i}.mp4", rng, slots=3, sound=i != 1) for i in range(5)]
    write(tmp_path, clips, "jpeg", shard_bytes=300_000)
    paths = [str(path) for path in shard_paths(tmp_path)]
    assert len(paths) > 1
    read = list(wds.WebDataset(paths, shardshuffle=False))
    assert [json.loads(sample["json"])["key"] for sample in read] == [clip.key for clip in clips]
    for sample, clip in zip(read, clips, strict=True):
        sizes = np.load(io.BytesIO(sample["sizes.npy"]))
        assert sizes[:, 0].sum() == len(sample["frames.mjpeg"]) and "points.npy" in sample
        assert ("audio.npy" in sample) == (clip.audio is not None)


def test_a_killed_writer_is_resumed(tmp_path: Path, rng: np.random.Generator) -> None:
    clips = [make_clip(f"{i}.mp4", rng, slots=2) for i in range(4)]
    writer = ShardWriter(tmp_path, "train", shard_bytes=1)
    writer.write(clips[0])
    writer.write(clips[1])
    (tmp_path / "train-000002.tar.part").write_bytes(b"half of a shard")
    again = ShardWriter(tmp_path, "train")
    assert again.done_keys == {"0.mp4", "1.mp4"}
    with again:
        with pytest.raises(DataError, match=r"1\.mp4 is in the shards already"):
            again.write(clips[1])
        again.write(clips[2])
        again.write(clips[3])
    assert ClipStore(tmp_path).keys == ("0.mp4", "1.mp4", "2.mp4", "3.mp4")
    assert not list(tmp_path.glob("*.part"))


def test_a_disk_that_is_full_costs_the_clip_at_hand_alone(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [make_clip(f"{number}.mp4", rng, slots=2) for number in range(3)]
    add, added = tarfile.TarFile.addfile, []

    def full(tar: tarfile.TarFile, info: tarfile.TarInfo, data: io.BytesIO) -> None:
        added.append(info.name)
        if len(added) in (3, 9):  # the third file of a clip, half of it
            tar.fileobj.write(data.read(100))
            raise OSError(errno.ENOSPC, "No space left on device")
        add(tar, info, data)

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(OSError, match="No space"), ShardWriter(tmp_path, "train") as writer:
        writer.write(clips[0])
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space"), ShardWriter(tmp_path, "train") as writer:
        for clip in clips:
            writer.write(clip)
    store = ClipStore(tmp_path)
    assert store.keys == ("0.mp4",)
    same(store.read("0.mp4"), coded(clips[0]), 0, 2)
    with ShardWriter(tmp_path, "train") as writer:
        writer.write(clips[1])
    assert ClipStore(tmp_path).keys == ("0.mp4", "1.mp4")


def test_a_store_travels_to_worker_processes(tmp_path: Path, rng: np.random.Generator) -> None:
    clip = make_clip("a.mp4", rng)
    write(tmp_path, [clip])
    store = ClipStore(tmp_path)
    store.read("a.mp4")
    copy = pickle.loads(pickle.dumps(store))
    same(copy.read("a.mp4", 1, 5), clip, 1, 5)
    write(tmp_path / "coded", [clip], "jpeg")
    read = ClipStore(tmp_path / "coded").read("a.mp4")
    same(pickle.loads(pickle.dumps(read)), coded(clip), 0, 30)


def test_bad_input_is_named(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="no shard"):
        ClipStore(tmp_path)
    empty = Clip("z.mp4", None, None, np.zeros(0, bool), None, np.zeros(0, bool))
    with ShardWriter(tmp_path, "train") as writer, pytest.raises(DataError, match=r"z\.mp4 has no slot"):
        writer.write(empty)
    write(tmp_path, [make_clip("a.mp4", rng, slots=2)])
    store = ClipStore(tmp_path)
    with pytest.raises(DataError, match=r"b\.mp4 is in none"):
        store.read("b.mp4")
    with pytest.raises(DataError, match="holds none"):
        store.read("a.mp4", 5, 9)
    (tmp_path / "other-000000.tar").write_bytes(b"not a tar, though it is called one" * 100)
    with pytest.raises(DataError, match=r"other-000000\.tar: not a shard"):
        ClipStore(tmp_path)
    write(tmp_path / "twice", [make_clip("a.mp4", rng, slots=2)])
    with pytest.raises(DataError, match=r"a\.mp4 is in both"):
        ClipStore([tmp_path / "train-000000.tar", tmp_path / "twice"])
