# SPDX-License-Identifier: Apache-2.0
"""CutDetector tells the tracker where one shot ends and the next begins.

It compares coarse samples of each picture with those of the picture before. A cut has three marks. The patterns hardly
correlate, which rules out flashes and fades. The brightness differs clearly, which rules out noise on a flat picture.
The change stands out against those just before it, which rules out pans; a pan that is too fast to be told from a cut
counts as a cut where it starts.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

#: Samples on the long side of the coarse picture.
SAMPLES = 48
#: Its places are at least this far apart, since each is the mean of 2 x 2 pixels.
LEAST_STEP_PX = 2
#: These thresholds are ours; tests/faces/test_cuts.py holds the cases that they must tell apart.
MOST_ALIKE = 0.7
LEAST_DIFFERENCE = 8.0
STANDS_OUT = 2.5
#: Sides of one picture at two sizes are in proportion but for this much; encoders round sizes to even numbers or to 16.
SAME_SHAPE = 0.05
_MEMORY = 6
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class CutDetector:
    """Takes pictures in order and says for each whether a new shot starts with it."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._changes: deque[float] = deque(maxlen=_MEMORY)
        self._size: tuple[int, ...] = ()
        self._cut_before = False

    def push(self, frame: NDArray[np.uint8]) -> bool:
        """Take the next picture, uint8 (height, width, 3); True if it starts a new shot (never the first).

        A stream may change its size and go on with the shot; another shape of the picture is a new shot.
        """
        now = coarse_luma(frame)
        last, self._last = self._last, now
        last_size, self._size = self._size, frame.shape[:2]
        if last is None:
            return False
        if not same_shape(last_size, self._size):
            self._changes.clear()
            return True
        if last.shape != now.shape:
            last = np.asarray(cv2.resize(last, now.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        change = 1.0 - likeness(last, now)
        usual = median(self._changes) if self._changes else 0.0
        cut = (
            not self._cut_before
            and change > 1.0 - MOST_ALIKE
            and float(np.abs(now - last).mean()) > LEAST_DIFFERENCE
            and change > STANDS_OUT * usual
        )
        if cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        # Two cuts in a row are no cuts: something never stands still.
        self._cut_before = cut
        return cut


def same_shape(size: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Say whether pictures of two sizes (height, width) have the same proportions.

    Example:
        >>> same_shape((180, 320), (720, 1280)), same_shape((180, 320), (320, 180))
        (True, False)
    """
    one, two = size[0] * other[1], other[0] * size[1]
    return abs(one - two) <= SAME_SHAPE * max(one, two)


def coarse_luma(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the brightness of a picture at about SAMPLES places on its long side, each the mean of 2 x 2 pixels.

    It picks places instead of averaging everything: reading every pixel would cost more than finding the faces.
    """
    step = max(LEAST_STEP_PX, max(frame.shape[:2]) // SAMPLES)
    rows, columns = frame.shape[0] // step * step, frame.shape[1] // step * step
    if rows == 0 or columns == 0:
        return np.asarray(frame.mean(axis=2), dtype=np.float32)
    half = step // 2
    total = frame[half - 1 : rows : step, half - 1 : columns : step].astype(np.float32)
    for y, x in ((half - 1, half), (half, half - 1), (half, half)):
        total += frame[y:rows:step, x:columns:step]
    return np.asarray(total @ (LUMA / 4), dtype=np.float32)


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the normalised correlation of two pictures in [-1, 1]; 1 if neither shows any pattern.

    Example:
        >>> ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
        >>> round(likeness(ramp, 5 * ramp + 9), 6), round(likeness(ramp, -ramp), 6)
        (1.0, -1.0)
    """
    x, y = a - a.mean(), b - b.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    if size < 1e-3:
        return 1.0 if float(np.abs(x).max(initial=0)) < 1e-3 and float(np.abs(y).max(initial=0)) < 1e-3 else 0.0
    return float((x * y).sum()) / size
