# SPDX-License-Identifier: Apache-2.0
"""``Sample`` and ``Batch`` give training the model's input with its labels; ``sample_of`` makes them of clips.

Targets are 1 fake, 0 genuine, -1 unknown, as in ``cad.data.records``; every sample of a batch has the same number of
slots, and shorter ones are filled up with slots in which nothing is present.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad.clock import SAMPLES_PER_FRAME
from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX, LabeledClip
from cad.faces.records import CROP_SIZE_PX
from cad.media.records import AudioSamples
from cad.speech import keep_speech
from cad.training.labels import UNKNOWN, window_labels


@dataclass(frozen=True, slots=True)
class Sample:
    """One window, ready for the model.

    Attributes:
        frames: uint8 (slots, 160, 160, 3); zeros where absent.
        audio: float32 (slots * 640,).
        frames_present: float32 (slots,).
        audio_present: float32 (slots,).
        slot_labels: float32 (3, slots): video, audio, sync.
        clip_labels: float32 (4,): fused, video, audio, sync.
        offset_seconds: By how much the sound lags behind the lips; NaN where unknown.
        event: Number of the event that was recorded; two samples with the same one are no mismatches of each other.
        key: The clip.
        source: Its page or corpus.
        method: How it was forged.
    """

    frames: NDArray[np.uint8]
    audio: NDArray[np.float32]
    frames_present: NDArray[np.float32]
    audio_present: NDArray[np.float32]
    slot_labels: NDArray[np.float32]
    clip_labels: NDArray[np.float32]
    offset_seconds: float
    event: int
    key: str
    source: str
    method: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples stacked along a first axis; attributes as in Sample, texts as tuples."""

    frames: Tensor
    audio: Tensor
    frames_present: Tensor
    audio_present: Tensor
    slot_labels: Tensor
    clip_labels: Tensor
    offset_seconds: Tensor
    event: Tensor
    key: tuple[str, ...]
    source: tuple[str, ...]
    method: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.key)

    def to(self, *args: Any, **kwargs: Any) -> Batch:
        """Return the batch with its tensors moved as by ``torch.Tensor.to``."""
        return replace(self, **{name: tensor.to(*args, **kwargs) for name, tensor in self._tensors().items()})

    def pin_memory(self) -> Batch:
        """Return the batch with its tensors in page-locked memory."""
        return replace(self, **{name: tensor.pin_memory() for name, tensor in self._tensors().items()})

    def _tensors(self) -> dict[str, Any]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of equal length into a batch."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

    arrays = ("frames", "audio", "frames_present", "audio_present", "slot_labels", "clip_labels")
    return Batch(
        **{name: stack(name) for name in arrays},
        offset_seconds=torch.tensor([sample.offset_seconds for sample in samples], dtype=torch.float32),
        event=torch.tensor([sample.event for sample in samples]),
        key=tuple(sample.key for sample in samples),
        source=tuple(sample.source for sample in samples),
        method=tuple(sample.method for sample in samples),
    )


def crop_center(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the model's view of stored crops: the margin cut off.

    Example:
        >>> crop_center(np.zeros((2, 192, 192, 3), np.uint8)).shape
        (2, 160, 160, 3)
    """
    if frames.shape[1:3] == (STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX):
        inner = slice(CROP_MARGIN_PX, CROP_MARGIN_PX + CROP_SIZE_PX)
        return frames[:, inner, inner]
    return frames


def sample_of(labeled: LabeledClip, slots: int) -> Sample:
    """Return the model's input of a labelled clip, cut or filled up to ``slots``."""
    clip = labeled.clip
    count = min(clip.slots, slots)
    frames = np.zeros((slots, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)
    audio = np.zeros(slots * SAMPLES_PER_FRAME, np.float32)
    video_present, audio_present = np.zeros(slots, bool), np.zeros(slots, bool)
    if clip.frames is not None:
        video_present[:count] = clip.frames_present[:count]
        frames[:count] = crop_center(clip.frames[:count])
        frames[~video_present] = 0
    if clip.audio is not None:
        heard = np.ascontiguousarray(clip.audio[: count * SAMPLES_PER_FRAME], np.float32)
        # The product drops silence, too: a model that never hears it cannot learn from it.
        speech = keep_speech(AudioSamples(heard, clip.audio_present[:count]))
        audio[: count * SAMPLES_PER_FRAME], audio_present[:count] = speech.samples, speech.present
    slot_labels = np.full((3, slots), UNKNOWN, np.float32)
    present = np.stack([video_present, audio_present, video_present & audio_present])
    for stream, labels in enumerate((labeled.video_fake, labeled.audio_fake, labeled.sync_fake)):
        slot_labels[stream, :count] = labels[:count]
    slot_labels[~present] = UNKNOWN
    clip_labels = window_labels(slot_labels)
    if (slot_labels == UNKNOWN).all() and present.any():
        clip_labels[0] = labeled.whole_fake
    offset = labeled.offset_seconds
    return Sample(
        frames=frames,
        audio=audio,
        frames_present=video_present.astype(np.float32),
        audio_present=audio_present.astype(np.float32),
        slot_labels=slot_labels,
        clip_labels=clip_labels,
        offset_seconds=float("nan") if offset is None or not present[2].any() else float(offset),
        event=zlib.crc32((clip.pair_id or clip.key).encode()),
        key=clip.key,
        source=clip.source,
        method="+".join(labeled.methods),
    )
