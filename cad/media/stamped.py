# SPDX-License-Identifier: Apache-2.0
"""stamped_frames gives ArraySource single frames with their times, each checked, whatever form the caller gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad.errors import OptionError

Pixels = NDArray[np.uint8]
Stamped = tuple[float, Pixels]
Stamps = NDArray[np.float64]
_FRAMES_ACCEPTED = "uint8 RGB of (height, width, 3) a frame, (n, height, width, 3) for n of them"


def stamped_frames(frames: Any, frame_seconds: ArrayLike | None) -> tuple[Stamps | None, Iterator[Stamped]]:
    """Return all time stamps, None where they come with the frames, and an iterator over (seconds, frame).

    Both arguments are as ArraySource takes them.

    Raises:
        OptionError: The frames or their times are not of the accepted form; the iterator raises it, too.
    """
    single = isinstance(frames, np.ndarray) and frames.ndim == 4 and len(frames) == 1
    if frame_seconds is None and not single:
        return None, _in_order(_pairs(frames))
    stamps = _stamps_of(frames, frame_seconds)
    return stamps, _in_order(zip(stamps.tolist(), frames, strict=True))


def form_of(value: Any) -> str:
    """Return what ``value`` is, in the words of a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


def _stamps_of(frames: Any, frame_seconds: ArrayLike | None) -> Stamps:
    """Return the time stamps (n,) of a sequence of n frames."""
    if (isinstance(frames, np.ndarray) and frames.ndim != 4) or not hasattr(frames, "__len__"):
        raise OptionError(
            f"frames with frame_seconds must be {_FRAMES_ACCEPTED}, got {form_of(frames)}; "
            "an iterable gives (seconds, frame) pairs and no frame_seconds"
        )
    stamps = np.asarray([0.0] if frame_seconds is None else frame_seconds, np.float64)
    if stamps.shape != (len(frames),):
        raise OptionError(
            f"frame_seconds must have one time stamp for each of the {len(frames)} frames, got shape {stamps.shape}"
        )
    _check_stamps(stamps)
    return stamps


def _pairs(frames: Any) -> Iterator[tuple[float, Any]]:
    """Yield single frames with their seconds from an iterable of (seconds, frame or chunk of frames)."""
    if isinstance(frames, np.ndarray) or not isinstance(frames, Iterable):
        raise OptionError(
            f"frames must be {_FRAMES_ACCEPTED}, with frame_seconds, or an iterable of (seconds, frame) pairs, "
            f"got {form_of(frames)} without frame_seconds"
        )
    for item in frames:
        if not isinstance(item, tuple) or len(item) != 2:
            raise OptionError(f"an iterable of frames must give (seconds, frame) pairs, got {form_of(item)}")
        seconds, pixels = np.asarray(item[0], np.float64), item[1]
        if seconds.ndim == 0:
            yield float(seconds), pixels
        elif np.ndim(pixels) == 4 and seconds.shape == (len(pixels),):
            yield from zip(seconds.tolist(), pixels, strict=True)
        else:
            raise OptionError(f"a chunk of {form_of(pixels)} came with time stamps of shape {seconds.shape}")


def _in_order(pairs: Iterable[tuple[float, Any]]) -> Iterator[Stamped]:
    """Yield the pairs once checked: pixels as accepted and of one size, no time before the last one's."""
    shape: tuple[int, ...] | None = None
    last = -np.inf
    for index, (seconds, frame) in enumerate(pairs):
        good = isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        if not good or frame.size == 0 or frame.shape != (shape or frame.shape):
            wanted = _FRAMES_ACCEPTED if shape is None else f"uint8 {shape} as the first frame"
            raise OptionError(f"frames must be {wanted}, got {form_of(frame)} for frame {index}")
        _check_stamps(np.array([last, seconds]) if index else np.array([seconds]), index)
        shape, last = frame.shape, seconds
        yield seconds, frame


def _check_stamps(stamps: Stamps, index: int | None = None) -> None:
    if not np.isfinite(stamps).all():
        raise OptionError("time stamps of frames must be finite seconds, got NaN or infinity")
    steps = np.flatnonzero(np.diff(stamps) < 0)
    if len(steps):
        at = int(steps[0])
        raise OptionError(
            f"time stamps of frames must not decrease, got {stamps[at + 1]:g} s after {stamps[at]:g} s "
            f"at frame {at + 1 if index is None else index}"
        )
