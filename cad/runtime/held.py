# SPDX-License-Identifier: Apache-2.0
"""HeldScores lets the detector score windows in which one picture stands still once, however long it stands.

A picture that is held is shown to viewers, and counts for as long as it is shown. But every window of it gives the net
the same input, and so the same answer, unless the sound beside it differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from cad.runtime.scorer import Scorer
from cad.windows import Window, WindowScore

#: So many answers are kept, the newest: faces that stand still side by side, in windows of two lengths.
_KEPT = 64


class HeldScores:
    """Scores the windows of one file.

    Args:
        scorer: Scores those that show something new.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[bytes, WindowScore] = {}

    def score_stream(self, windows: Iterable[Window]) -> Iterator[WindowScore]:
        """Yield one score a window, in the same order, holding a few windows at a time."""
        fresh: list[Window] = []
        for window in windows:
            if not stands_still(window):
                fresh.append(window)
                if len(fresh) == self._scorer.batch_windows:
                    yield from self._scorer.score(fresh)
                    fresh = []
                continue
            yield from self._scorer.score(fresh)
            fresh = []
            yield self._score_held(window)
        yield from self._scorer.score(fresh)

    def _score_held(self, window: Window) -> WindowScore:
        content = _digest(window)
        score = self._known.pop(content, None)
        if score is None:
            (score,) = self._scorer.score([window])
        self._known[content] = score
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return replace(score, first_slot=window.first_slot, track_id=window.track_id)


def stands_still(window: Window) -> bool:
    """Say whether a window shows one picture of a face all the time; False without a face."""
    if window.track_id is None or not window.frames_present.all():
        return False
    first = window.frames[0]
    # The last picture tells nearly always, so that a window that moves costs nothing.
    return np.array_equal(first, window.frames[-1]) and all(np.array_equal(first, one) for one in window.frames)


def _digest(window: Window) -> bytes:
    digest = hashlib.blake2b(window.frames[0].tobytes())
    for part in (window.audio, window.audio_present):
        digest.update(part.tobytes())
    return digest.digest()
