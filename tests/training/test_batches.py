# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from made_media import talk

from cad.data.records import Clip, LabeledClip
from cad.training.batches import collate, sample_of
from cad.training.criterion import labels_without, targets_of
from cad.training.labels import window_labels


def syllables(slots: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A voice that gets louder and softer as speech does."""
    level = np.resize(np.array([0.1, 0.4, 0.9, 0.4], np.float32), slots)
    return talk(slots / 25, 0.5, seed=int(rng.integers(100))) * np.repeat(level, 640)


def labeled(
    slots: int, fake: slice, frames: bool = True, sound: bool = True, offset: float | None = 0.0
) -> LabeledClip:
    rng = np.random.default_rng(1)
    tracks = [np.zeros(slots, np.float32) for _ in range(3)]
    tracks[0][fake] = 1
    clip = Clip(
        key="a.mp4",
        frames=rng.integers(0, 256, (slots, 192, 192, 3), np.uint8) if frames else None,
        points_px=np.zeros((slots, 5, 2), np.float32) if frames else None,
        frames_present=np.full(slots, frames),
        audio=syllables(slots, rng) if sound else None,
        audio_present=np.full(slots, sound),
        pair_id="event",
    )
    return LabeledClip(clip, *tracks, offset_seconds=offset)


def test_a_short_clip_is_filled_up_with_absent_slots() -> None:
    sample = sample_of(labeled(30, slice(0, 30)), 50)
    assert sample.frames.shape == (50, 160, 160, 3) and sample.audio.shape == (50 * 640,)
    assert sample.frames_present.sum() == 30 and sample.audio_present[30:].sum() == 0
    assert (sample.slot_labels[:, 30:] == -1).all()
    assert not sample.frames[30:].any() and not sample.audio[30 * 640 :].any()
    assert sample.clip_labels.tolist() == [1, 1, 0, 0]


def test_the_margin_is_cut_off_in_the_middle() -> None:
    clip = labeled(4, slice(0, 0))
    sample = sample_of(clip, 4)
    assert clip.clip.frames is not None
    np.testing.assert_array_equal(sample.frames, clip.clip.frames[:, 16:176, 16:176])


def test_an_absent_stream_is_unknown() -> None:
    silent = sample_of(labeled(20, slice(0, 20), sound=False), 20)
    assert silent.clip_labels.tolist() == [1, 1, -1, -1]
    assert np.isnan(silent.offset_seconds)
    voice = sample_of(labeled(20, slice(0, 0), frames=False), 20)
    assert voice.clip_labels.tolist() == [0, -1, 0, -1]


def test_a_touch_of_fake_is_neither() -> None:
    assert sample_of(labeled(20, slice(0, 2)), 20).clip_labels.tolist() == [-1, -1, 0, 0]
    assert sample_of(labeled(20, slice(0, 3)), 20).clip_labels.tolist() == [1, 1, 0, 0]
    assert window_labels(np.full((3, 9), -1, np.float32)).tolist() == [-1, -1, -1, -1]


def test_windows_of_a_batch_are_labelled_by_the_one_rule() -> None:
    slots = np.zeros((3, 3, 12), np.float32)
    slots[0, 0, 2:6], slots[1, 1, 3], slots[2, 2] = 1, 1, -1
    assert window_labels(slots).tolist() == [[1, 1, 0, 0], [-1, 0, -1, 0], [0, 0, 0, -1]]
    slots[2, :, 6:] = -1  # what a short clip is filled up with
    assert window_labels(slots)[2].tolist() == [0, 0, 0, -1]


def test_batches_move_and_become_targets() -> None:
    samples = [sample_of(labeled(10, slice(0, 10)), 12), sample_of(labeled(12, slice(0, 0), offset=None), 12)]
    batch = collate(samples).to(torch.device("cpu"))
    assert len(batch) == 2 and batch.frames.dtype == torch.uint8
    targets = targets_of(batch)
    assert targets.clip_labels[:, :2].tolist() == [[1, 1], [0, 0]]
    assert targets.offset_known.tolist() == [1, 0] and not torch.isnan(targets.offset_seconds).any()
    assert targets.event[0] == targets.event[1]  # the same pair_id
    assert targets.slot_labels[0, 0, 10:].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("labels", "keep", "left"),
    [
        ([1, 1, 0, 0], (1, 0), [1, 1, -1, -1]),
        ([1, 1, 0, 0], (0, 1), [0, -1, 0, -1]),
        ([1, 0, 0, 1], (1, 0), [0, 0, -1, -1]),
        ([1, 1, -1, -1], (0, 1), [-1, -1, -1, -1]),
        ([1, 0, 0, 1], (1, 1), [1, 0, 0, 1]),
    ],
)
def test_a_dropped_stream_takes_its_truth_with_it(labels: list[int], keep: tuple[int, int], left: list[int]) -> None:
    out = labels_without(torch.tensor([labels]).float(), torch.tensor([keep[0]]), torch.tensor([keep[1]]))
    assert out[0].tolist() == left
