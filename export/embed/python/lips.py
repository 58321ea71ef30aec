# SPDX-License-Identifier: Apache-2.0
"""Notes on every face as its crops go by: do its lips follow the sound, does it ever move, how large is it."""

from __future__ import annotations

import numpy as np
from kit import Kit
from speech import levels_dbfs


class FaceNotes:
    """What is remembered of one face once its crops are gone."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.rules = kit, kit.rules
        self.slots: list[int] = []
        self.heights: list[float] = []
        self.motion_slots: list[int] = []
        self.motion: list[float] = []
        self.last_crop: np.ndarray | None = None
        self.block: list[np.ndarray] = []
        self.first_mean: np.ndarray | None = None
        self.blocks = self.moving = 0

    @property
    def height(self) -> float:
        """Median height of its box in pixels."""
        return float(np.median(self.heights)) if self.heights else 0.0

    def note(self, slot: int, crop: np.ndarray, height: float) -> None:
        """Note the crop of one slot; they come in order."""
        if self.slots and self.slots[-1] == slot - 1:
            (motion,) = self.kit.run("lip_motion", crops=np.stack([self.last_crop, crop]))
            self.motion_slots.append(slot)
            self.motion.append(float(motion[0]))
        self.slots.append(slot)
        self.heights.append(height)
        self.last_crop = crop
        if len(self.slots) > self.rules.stillness.settling_slots and self.moving <= 2:
            self.block.append(_small(crop))
            if len(self.block) == self.rules.stillness.block_slots:
                self._measure()

    def is_frozen(self) -> bool:
        """Say whether the face was seen for long enough to tell, and never moved: a photograph. Ask at the end."""
        if len(self.block) >= self.rules.stillness.least_block_slots:
            self._measure()
        seen = len(self.slots) >= self.rules.stillness.least_slots and self.blocks > 0
        return seen and self.moving * self.rules.stillness.blocks_a_glitch <= self.blocks

    def lips(self, loudness: np.ndarray | None) -> float:
        """Return how well the lips follow the loudness of the speech, in [0, 1]: the best rank correlation.

        Args:
            loudness: float64 (slots of the file,), NaN where nobody speaks; None without sound.
        """
        rules = self.rules
        if loudness is None or len(self.motion) < rules.active_speaker.least_slots:
            return 0.0
        length = max(self.motion_slots[-1] + 1, len(loudness))
        moving, loud = np.full(length, np.nan), np.full(length, np.nan)
        moving[self.motion_slots] = self.motion
        loud[: len(loudness)] = loudness
        known = (np.isfinite(moving) & np.isfinite(loud)).sum()
        if np.mean(self.motion) < rules.active_speaker.least_motion or known < rules.active_speaker.least_slots:
            return 0.0
        lags = range(-rules.active_speaker.max_lag_slots, rules.active_speaker.max_lag_slots + 1)
        return max(
            0.0, *(_rank_correlation(moving, loud, lag, rules.active_speaker.least_overlap_slots) for lag in lags)
        )

    def _measure(self) -> None:
        block = np.stack(self.block)
        self.block = []
        mean = block.mean(axis=0)
        motion = _own_motion(block, mean, self.rules)
        if self.first_mean is None:
            self.first_mean = mean
        else:
            motion = max(motion, _own_motion(mean[None], self.first_mean, self.rules))
        self.blocks += 1
        self.moving += motion > self.rules.stillness.least_motion


def speech_loudness(samples: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Return the loudness of the speech in dB, at least 50 dB below the loudest; NaN where there is none."""
    level = levels_dbfs(samples, -100.0, without_offset=False)
    if speech.any():
        level = np.maximum(level, level[speech].max() - 50)
    return np.where(speech, level, np.nan)


def _rank_correlation(a: np.ndarray, b: np.ndarray, lag: int, least: int) -> float:
    """Return Spearman's correlation of ``a`` with ``b`` moved ``lag`` slots earlier, over the slots that both have."""
    a, b = (a[: len(a) - lag], b[lag:]) if lag >= 0 else (a[-lag:], b[: len(b) + lag])
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < least or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return 0.0
    return float(np.corrcoef(*(np.argsort(np.argsort(one[known])) for one in (a, b)))[0, 1])


def _small(crop: np.ndarray) -> np.ndarray:
    """Return the face from brow to chin as grey means of 4 x 4 pixels, float32 (24, 22)."""
    grey = np.rint(crop[36:132, 36:124] @ np.float32([0.299, 0.587, 0.114]))
    return np.rint(grey.reshape(24, 4, 22, 4).mean(axis=(1, 3))).astype(np.float32)


def _own_motion(pictures: np.ndarray, reference: np.ndarray, rules: object) -> float:
    """Return the largest departure of any patch of 3 x 3 cells from the reference, however that is moved or lit.

    A photograph may be zoomed, panned, turned and faded. What these leave over is a face's own motion, or noise.
    """
    down, right = np.gradient(reference)
    y, x = np.indices(reference.shape, dtype=np.float32)
    y, x = y - y.mean(), x - x.mean()
    wide = np.pad(reference, 1, mode="reflect")
    sharper = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * reference
    changes = [right, down, y * down + x * right, x * down - y * right, np.ones_like(reference), reference, sharper]
    space = np.linalg.qr(np.stack([change.ravel() for change in changes], axis=1))[0]
    flat = pictures.reshape(len(pictures), -1)
    left = (flat - flat @ space @ space.T) / max(float(reference.std()), rules.stillness.least_contrast)
    left = left.reshape(pictures.shape)
    span = rules.stillness.averaged_slots  # against noise
    means = [left[index : index + span].mean(axis=0) for index in range(max(1, len(left) - span + 1))]
    patches = np.lib.stride_tricks.sliding_window_view(np.stack(means), (3, 3), axis=(1, 2)).mean(axis=(-2, -1))
    return float(np.abs(patches).max())
