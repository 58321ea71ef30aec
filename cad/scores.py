# SPDX-License-Identifier: Apache-2.0
"""PackedScores gives the detector a list of scores that costs little: hours of a crowd are 200,000 windows."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from cad.spec import HEADS, STREAMS
from cad.windows import WindowScore

#: First slot, length, track (-1 for none), picture and sound scored, logits by head, offset.
_HEAD = struct.Struct(f"<qqq??6x{len(HEADS)}dd")


class PackedScores(Sequence[WindowScore]):
    """A list of WindowScore that holds each as 0.8 kB of bytes (a record takes 2 kB), and makes them anew when asked.

    Args:
        scores: What it begins with.

    Example:
        >>> PackedScores([])
        PackedScores(0)
    """

    def __init__(self, scores: Iterable[WindowScore] = ()) -> None:
        self._packed = [_packed(score) for score in scores]

    def extend(self, scores: Iterable[WindowScore]) -> None:
        """Add scores at the end."""
        self._packed += map(_packed, scores)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, place: int) -> WindowScore: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[WindowScore]: ...
    def __getitem__(self, place: int | slice) -> WindowScore | Sequence[WindowScore]:
        if isinstance(place, slice):
            return tuple(map(_unpacked, self._packed[place]))
        return _unpacked(self._packed[place])

    def __iter__(self) -> Iterator[WindowScore]:
        return map(_unpacked, self._packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedScores) and self._packed == other._packed

    def __hash__(self) -> int:
        return hash(tuple(self._packed))

    def __repr__(self) -> str:
        return f"PackedScores({len(self)})"


def _packed(score: WindowScore) -> bytes:
    track = -1 if score.track_id is None else score.track_id
    logits = (score.logits[head] for head in HEADS)
    head = _HEAD.pack(
        score.first_slot, score.slots, track, score.has_video, score.has_audio, *logits, score.offset_seconds
    )
    frames = [score.frame_logits[stream].astype(np.float32) for stream in STREAMS]
    present = [score.frames_present.astype(np.bool_), score.audio_present.astype(np.bool_)]
    return b"".join([head, *(part.tobytes() for part in (*frames, *present))])


def _unpacked(packed: bytes) -> WindowScore:
    first, slots, track, has_video, has_audio, *logits, offset = _HEAD.unpack_from(packed)
    frames = np.frombuffer(packed, np.float32, len(STREAMS) * slots, _HEAD.size).reshape(len(STREAMS), slots)
    present = np.frombuffer(packed, np.bool_, 2 * slots, _HEAD.size + frames.nbytes).reshape(2, slots)
    return WindowScore(
        first_slot=first,
        slots=slots,
        track_id=None if track < 0 else track,
        has_video=has_video,
        has_audio=has_audio,
        logits=dict(zip(HEADS, logits, strict=True)),
        frame_logits=dict(zip(STREAMS, frames, strict=True)),
        offset_seconds=offset,
        frames_present=present[0],
        audio_present=present[1],
    )
