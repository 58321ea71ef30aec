# SPDX-License-Identifier: Apache-2.0
"""``shortcut_check`` tests for ``tools/data/shortcut_check.py`` whether a simple statistic gives pseudo-fakes away.

A network learns such a shortcut instead of the forgery. Each statistic is scored as a detector: at an AUC of 0.5 it
tells nothing, at 0 or 1 everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from cad.clock import SAMPLE_RATE_HZ
from cad.data.records import Clip
from cad.loudness import rms, slot_levels_dbfs
from cad.metrics.roc import auc_of

#: The first sample above this is where sound starts. Source: the detector of arXiv 2412.00175 (leading silence).
FIRST_SOUND_LEVEL = 0.0005


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One statistic as a detector.

    Attributes:
        name: Of the statistic.
        auc: Area under the ROC curve, in [0, 1]; forged counts as positive.
        forged: How many forged clips had the statistic.
        genuine: How many genuine ones.
    """

    name: str
    auc: float
    forged: int
    genuine: int

    @property
    def strength(self) -> float:
        """How far from chance, in [0.5, 1]: a statistic may also point the other way."""
        return max(self.auc, 1 - self.auc)


def shortcut_check(forged: Iterable[Clip], genuine: Iterable[Clip]) -> tuple[Shortcut, ...]:
    """Return every statistic as a detector between ``forged`` and ``genuine``, the strongest first.

    Args:
        forged: Clips as the model sees them, after augmentation.
        genuine: Likewise.

    Raises:
        ValueError: One of the two is empty.
    """
    positive, negative = [clip_statistics(clip) for clip in forged], [clip_statistics(clip) for clip in genuine]
    if not positive or not negative:
        raise ValueError(f"need clips of both classes, got {len(positive)} forged and {len(negative)} genuine")
    found = []
    for name in STATISTICS:
        ours, theirs = (np.array([one[name] for one in side if name in one]) for side in (positive, negative))
        if len(ours) and len(theirs):
            found.append(Shortcut(name, auc_of(ours, theirs), len(ours), len(theirs)))
    return tuple(sorted(found, key=lambda one: -one.strength))


def clip_statistics(clip: Clip) -> Mapping[str, float]:
    """Return the statistics of one clip by name; those that need a missing stream are absent."""
    values = {"slots": float(clip.slots)}
    if clip.audio is not None and clip.audio_present.any():
        values |= {name: function(clip.audio) for name, function in _SOUND.items()}
    if clip.frames is not None and clip.frames_present.any():
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames[clip.frames_present][::5]]
        seen = np.stack(grey).astype(np.float32)
        values |= {name: function(seen) for name, function in _PICTURE.items()}
    return values


def _loudness(audio: NDArray[np.float32]) -> float:
    return float(20 * np.log10(rms(audio) + 1e-9))


def _silence_share(audio: NDArray[np.float32]) -> float:
    levels = slot_levels_dbfs(audio)
    return float((levels < levels.max() - 35).mean())


def _noise_floor(audio: NDArray[np.float32]) -> float:
    return float(np.quantile(slot_levels_dbfs(audio), 0.05) - _loudness(audio))


def _leading_silence(audio: NDArray[np.float32]) -> float:
    loud = np.flatnonzero(np.abs(audio) > FIRST_SOUND_LEVEL)
    return float(loud[0] if len(loud) else len(audio)) / SAMPLE_RATE_HZ


def _bandwidth(audio: NDArray[np.float32]) -> float:
    """Return the frequency in Hz below which 99 % of the power lies."""
    power = np.cumsum(np.square(np.abs(rfft(audio))))
    return float(np.searchsorted(power, 0.99 * power[-1]) / len(power) * SAMPLE_RATE_HZ / 2)


def _high_band(audio: NDArray[np.float32]) -> float:
    power = np.square(np.abs(rfft(audio)))
    knee = len(power) * 3 // 4
    return float(10 * np.log10(power[knee:].sum() + 1e-12) - 10 * np.log10(power.sum() + 1e-12))


def _crest(audio: NDArray[np.float32]) -> float:
    return float(np.abs(audio).max(initial=0) / (rms(audio) + 1e-9))


def _sharpness(grey: NDArray[np.float32]) -> float:
    return float(np.log(np.mean([np.var(cv2.Laplacian(picture, cv2.CV_32F)) for picture in grey]) + 1e-3))


def _movement(grey: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(grey, axis=0)).mean()) if len(grey) > 1 else 0.0


_SOUND: Mapping[str, Callable[[NDArray[np.float32]], float]] = {
    "loudness_db": _loudness,
    "peak": lambda audio: float(np.abs(audio).max(initial=0)),
    "crest_factor": _crest,
    "silence_share": _silence_share,
    "noise_floor_db": _noise_floor,
    "leading_silence_seconds": _leading_silence,
    "bandwidth_hz": _bandwidth,
    "high_band_db": _high_band,
    "offset": lambda audio: float(abs(audio.mean())),
}
_PICTURE: Mapping[str, Callable[[NDArray[np.float32]], float]] = {
    "sharpness": _sharpness,
    "brightness": lambda grey: float(grey.mean()),
    "contrast": lambda grey: float(grey.std()),
    "movement": _movement,
}
#: Names of all statistics.
STATISTICS = ("slots", *_SOUND, *_PICTURE)
