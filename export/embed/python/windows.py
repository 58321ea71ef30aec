# SPDX-License-Identifier: Apache-2.0
"""Windows: what the model sees at a time, two seconds of one face and the sound of the same slots; and its scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from grid import SAMPLES_PER_SLOT, SLOTS_PER_SECOND
from kit import Kit
from speech import runs

HEADS = ("fused", "video", "audio", "sync")
CROP = (160, 160, 3)
#: Windows in one call of the model.
BATCH = 4


class Sound(NamedTuple):
    """The sound on the grid: samples (slots * 640,) and speech bool (slots,); both empty without sound."""

    samples: np.ndarray
    speech: np.ndarray

    def cut(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples and presence of some slots, where what is no speech is silent."""
        speech = np.zeros(stop - first, bool)
        known = self.speech[first:stop]
        speech[: len(known)] = known
        samples = np.zeros((stop - first, SAMPLES_PER_SLOT), np.float32)
        samples[: len(known)] = self.samples.reshape(-1, SAMPLES_PER_SLOT)[first:stop]
        samples[~speech] = 0
        return samples.reshape(-1), speech


class Window(NamedTuple):
    """One input of the model. ``track`` is None where there is no face."""

    first: int
    track: int | None
    frames: np.ndarray
    frames_present: np.ndarray
    audio: np.ndarray
    audio_present: np.ndarray


class Score(NamedTuple):
    """What the model said of a window: a clip logit by head, and what there was to judge."""

    first: int
    track: int | None
    logits: dict[str, float]
    has_video: bool
    has_audio: bool
    frames_present: np.ndarray
    audio_present: np.ndarray


@dataclass
class _Open:
    """Crops of one face from the start of its last window on."""

    first: int
    crops: list[np.ndarray] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)
    last_window: int | None = None

    @property
    def stop(self) -> int:
        return self.first + len(self.crops)


class Cutter:
    """Cuts the crops of every face, and the sound that no face goes with, into windows.

    Args:
        sound: Of the file.
        spec: The ModelSpec: windows of ``window_frames`` every ``hop_frames``, none shorter than ``shortest``.
        shortest: In slots; 1 for a still picture.
    """

    def __init__(self, sound: Sound, spec: dict, shortest: int) -> None:
        self.sound, self.shortest = sound, shortest
        self.length, self.hop = spec["window_frames"], spec["hop_frames"]
        self.open: dict[int, _Open] = {}
        self.covered = np.zeros(len(sound.speech), bool)

    def push(self, track: int, slot: int, crop: np.ndarray) -> Iterator[Window]:
        """Take the crop of one slot and yield the window that it completes, if it does."""
        one = self.open.get(track)
        if one is not None and slot - one.stop > SLOTS_PER_SECOND:  # the gap would fill most of a window
            yield from self.close(track)
            one = None
        if one is None:
            one = self.open[track] = _Open(slot)
        gap = slot - one.stop
        one.crops += [np.zeros(CROP, np.uint8)] * gap + [crop]
        one.present += [False] * gap + [True]
        while (start := one.first if one.last_window is None else one.last_window + self.hop) + self.length <= one.stop:
            del one.crops[: start - one.first], one.present[: start - one.first]
            one.first = one.last_window = start
            yield self._cut(track, one, start, start + self.length)

    def close(self, track: int) -> Iterator[Window]:
        """Yield the last window of a face, which ends where the face does; one shorter if it is all there is."""
        one = self.open.pop(track)
        if one.last_window is None:
            if one.stop - one.first >= self.shortest:
                yield self._cut(track, one, one.first, one.stop)
        elif one.last_window + self.length != one.stop:
            yield self._cut(track, one, one.stop - self.length, one.stop)

    def end(self) -> Iterator[Window]:
        """Yield the last windows of all faces, then those of sound that no face went with."""
        for track in sorted(self.open):
            yield from self.close(track)
        for first, last in runs(~self.covered):
            spoken = first + np.flatnonzero(self.sound.speech[first:last])
            if len(spoken) >= self.shortest:
                # They begin where the speech does, so that silence before it changes nothing.
                for start, stop in spans(int(spoken[0]), int(spoken[-1]) + 1, self.length, self.hop):
                    audio, present = self.sound.cut(start, stop)
                    if present.any():
                        frames = np.zeros((stop - start, *CROP), np.uint8)
                        yield Window(start, None, frames, np.zeros(stop - start, bool), audio, present)

    def _cut(self, track: int, one: _Open, start: int, stop: int) -> Window:
        inside = slice(start - one.first, stop - one.first)
        self.covered[start:stop] = True
        frames, present = np.stack(one.crops[inside]), np.array(one.present[inside])
        return Window(start, track, frames, present, *self.sound.cut(start, stop))


def spans(first: int, stop: int, length: int, hop: int) -> list[tuple[int, int]]:
    """Return the windows that cover [first, stop); the last one ends at ``stop``."""
    if stop - first <= length:
        return [(first, stop)]
    starts = list(range(first, stop - length + 1, hop))
    starts += [stop - length] if starts[-1] + length < stop else []
    return [(start, start + length) for start in starts]


def score(windows: Iterable[Window], kit: Kit) -> Iterator[Score]:
    """Yield the model's scores of windows, a few windows of one length at a time."""
    for _, alike in groupby(windows, key=lambda window: len(window.frames_present)):
        while batch := list(islice(alike, BATCH)):
            yield from _score(batch, kit)


def _score(batch: list[Window], kit: Kit) -> Iterator[Score]:
    # A stream that is there for less of a window than this is left out of it whole.
    video = [bool(one.frames_present.mean() >= kit.rules.feeding.min_video_share) for one in batch]
    audio = [bool(one.audio_present.mean() >= kit.rules.feeding.min_audio_share) for one in batch]
    inputs = {
        "frames": np.stack([one.frames for one in batch]),
        "audio": np.stack([one.audio for one in batch]),
        "frames_present": np.stack([one.frames_present for one in batch]) * np.float32(video)[:, None],
        "audio_present": np.stack([one.audio_present for one in batch]) * np.float32(audio)[:, None],
    }
    logits = kit.session("model").run([f"{head}_logit" for head in HEADS], inputs)
    for row, one in enumerate(batch):
        # A head that the model lacks has an output all the same, which says nothing.
        said = {
            head: float(values[row]) if head in kit.spec["heads"] else np.nan
            for head, values in zip(HEADS, logits, strict=True)
        }
        yield Score(one.first, one.track, said, video[row], audio[row], one.frames_present, one.audio_present)
