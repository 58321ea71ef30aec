# SPDX-License-Identifier: Apache-2.0
"""Forged stretches of a row reach the labels of slots and windows, stream by stream, on the file's own clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import made_clip
from made_media import talk

from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore, ShardWriter
from cad.training.batches import sample_of
from cad.training.draw import Mix
from cad.training.labels import fake_starts, labeled_of_row, with_known_flags
from cad.training.scores import Scored, by_clip
from cad.training.train_samples import ForgeOptions, TrainSamples, WindowLengths
from cad.training.val_samples import Part, ValSamples, row_windows

BOTH = ("video", "audio")


def blank(slots: int, start_seconds: float = 0.0) -> Clip:
    """A clip of which only the grid matters."""
    here = np.ones(slots, bool)
    frames, points = np.zeros((slots, 192, 192, 3), np.uint8), np.zeros((slots, 5, 2), np.float32)
    return Clip("a.mp4", frames, points, here, talk(slots / 25, 0.3), here, start_seconds=start_seconds)


def forged(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(labels == 1).tolist()


def test_a_short_forgery_is_not_taught_as_a_forged_clip() -> None:
    # LAV-DF: 4.63 s, of which the sound is forged from 1.39 to 1.79 s.
    row = Row("a.mp4", 1, 0, 1, fake_segments=((1.39, 1.79),))
    labeled = labeled_of_row(blank(116), row)
    assert forged(labeled.audio_fake) == list(range(35, 45)) and not labeled.video_fake.any()
    assert (labeled.audio_fake >= 0).all() and (labeled.sync_fake == -1).all()
    whole = sample_of(labeled, 116)
    assert whole.clip_labels.tolist() == [1, 0, 1, -1]


def test_a_window_knows_where_in_the_file_it_lies(tmp_path: Path) -> None:
    row = Row("a.mp4", 1, 1, 0, fake_segments=((1.39, 1.79),))
    with ShardWriter(tmp_path, "made") as writer:
        writer.write(blank(116, start_seconds=0.2), row.as_text())
    store = ClipStore(tmp_path)
    # The first slot of the grid lies 0.2 s after the file's first frame.
    assert forged(labeled_of_row(store.read("a.mp4"), row).video_fake) == list(range(30, 40))
    assert forged(labeled_of_row(store.read("a.mp4", 36, 60), row).video_fake) == [0, 1, 2, 3]
    assert sample_of(labeled_of_row(store.read("a.mp4", 50, 80), row), 30).clip_labels.tolist() == [0, 0, 0, -1]
    assert sample_of(labeled_of_row(store.read("a.mp4", 38, 80), row), 42).clip_labels.tolist() == [-1, -1, 0, -1]


def test_streams_with_stretches_of_their_own_are_kept_apart() -> None:
    row = Row("a.mp4", 1, 1, 1, fake_segments=((0.4, 0.8), (2.0, 2.4)),
              video_fake_segments=((0.4, 0.8),), audio_fake_segments=((2.0, 2.4),))  # fmt: skip
    labeled = labeled_of_row(blank(75), row)
    assert forged(labeled.video_fake) == list(range(10, 20)) and forged(labeled.audio_fake) == list(range(50, 60))
    shared = labeled_of_row(blank(75), replace(row, video_fake_segments=(), audio_fake_segments=()))
    assert forged(shared.video_fake) == forged(shared.audio_fake) == [*range(10, 20), *range(50, 60)]
    everywhere = labeled_of_row(blank(75), Row("a.mp4", 1, 1, 0))
    assert everywhere.video_fake.all() and not everywhere.audio_fake.any()


@pytest.mark.parametrize(
    ("row", "first", "labels"),
    [
        (Row("a.mp4", 1), 0, [1, -1, -1, -1]),  # forged, nobody says where
        (Row("a.mp4", 0), 0, [0, 0, 0, 0]),  # genuine: so are its streams
        (Row("a.mp4", 1, 0, -1), 0, [1, 0, 1, -1]),  # not the picture, therefore the sound
        (Row("a.mp4", 1, 1, -1), 0, [1, 1, -1, -1]),
        (Row("a.mp4", 1, fake_segments=((0.0, 0.4),)), 0, [1, -1, -1, -1]),  # the stretch is known, its stream not
        (Row("a.mp4", 1, fake_segments=((0.0, 0.4),)), 20, [0, 0, 0, -1]),
    ],
)
def test_what_a_label_alone_teaches(tmp_path: Path, row: Row, first: int, labels: list[int]) -> None:
    with ShardWriter(tmp_path, "made") as writer:
        writer.write(blank(50), row.as_text())
    store = ClipStore(tmp_path)
    known = with_known_flags(row, store.entry("a.mp4"))
    assert sample_of(labeled_of_row(store.read("a.mp4", first), known), 50).clip_labels.tolist() == labels


def test_a_label_of_a_clip_with_one_stream_is_that_streams(tmp_path: Path) -> None:
    clip = made_clip("a.wav", np.random.default_rng(0), "ann", "page", face=False)
    with ShardWriter(tmp_path, "made") as writer:
        writer.write(clip, {})
    entry = ClipStore(tmp_path).entry("a.wav")
    assert with_known_flags(Row("a.wav", 1), entry).audio_fake == 1
    assert with_known_flags(Row("a.wav", 1), entry).video_fake == -1
    assert with_known_flags(Row("a.wav", 1, 1, 0), entry) == Row("a.wav", 1, 1, 0)


def test_windows_of_forged_rows_have_a_forged_part_in_the_stated_share(tmp_path: Path) -> None:
    row = Row("a.mp4", 1, 0, 1, fake_segments=((1.39, 1.79),), split="train")
    with ShardWriter(tmp_path, "made") as writer:
        writer.write(blank(116), row.as_text())
    store = ClipStore(tmp_path)
    for share, least, most in ((1.0, 1.0, 1.0), (0.75, 0.7, 0.95), (0.0, 0.2, 0.6)):
        lengths = WindowLengths(25, 25, 0.0, share)
        samples = TrainSamples(store, [row], Mix(0, 0, 1, 0, 0, 0), lengths, ForgeOptions(), 1.0, BOTH, None, 1)
        labels = Counter(samples[number].clip_labels[0] for number in range(100))
        assert least <= labels[1] / 100 <= most
        assert labels[0] + labels[1] + labels[-1] == 100
    starts = fake_starts(store.entry("a.mp4"), row, BOTH, 25)
    assert starts is not None and (starts[0], starts[-1]) == (13, 42)
    assert fake_starts(store.entry("a.mp4"), row, ("video",), 25) is None


def test_validation_meets_the_forged_part_and_labels_windows_by_their_own_slots(tmp_path: Path) -> None:
    row = Row("a.mp4", 1, 0, 1, fake_segments=((4.0, 4.4),))
    with ShardWriter(tmp_path, "made") as writer:
        writer.write(blank(116), row.as_text())
    store = ClipStore(tmp_path)
    (only,) = row_windows(store, [row], 25, 1, BOTH)
    assert only.start == 78  # the middle, moved as little as it takes to meet three forged slots
    windows = row_windows(store, [row], 25, 3, BOTH)
    samples = ValSamples(store, windows, 25, BOTH)
    assert [samples[number].clip_labels[2] for number in range(3)] == [0, 0, 1]


def test_genuine_windows_of_a_forged_clip_do_not_water_it_down() -> None:
    def scored(start: int, label: float, logit: float) -> Scored:
        return Scored("a", "page", Part.ROWS, start, True, False, (label,) * 4, (logit,) * 4, np.nan, 0.0)

    (clip,) = by_clip([scored(0, 0, -4.0), scored(9, 1, 2.0), scored(18, 1, 4.0), scored(18, 1, 4.0)])
    assert clip.labels[0] == 1 and clip.logits[0] == 3.0
    (clip,) = by_clip([scored(0, 0, -4.0), scored(9, 0, 2.0)])
    assert clip.labels[0] == 0 and clip.logits[0] == -1.0
