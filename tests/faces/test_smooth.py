# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from cad.faces.smooth import REACH_SLOTS, between, smooth_at


def _smoothed(values: np.ndarray) -> np.ndarray:
    slots = np.arange(len(values))
    return np.stack([smooth_at(slots, values.astype(np.float32), int(slot)) for slot in slots])


def test_constant_speed_passes_unchanged_to_the_very_ends() -> None:
    line = np.arange(30)[:, None] * np.array([2.0, -0.5]) + 7
    assert np.allclose(_smoothed(line), line, atol=1e-4)


def test_nothing_is_delayed() -> None:
    step = (np.arange(41) >= 20).astype(float)
    smooth = _smoothed(step)
    # Zero phase: the answer to a step is odd around the step's middle.
    assert np.allclose(smooth[20 - 8 : 20], 1 - smooth[20 : 20 + 8][::-1], atol=1e-5)
    assert np.allclose(smooth[: 20 - REACH_SLOTS], 0, atol=1e-6)


def test_white_noise_falls_to_under_half(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 1, (2000, 3))
    assert _smoothed(noise)[10:-10].std() < 0.48


def test_slow_nods_survive() -> None:
    # 1 Hz at 25 slots a second, a lively nod: it keeps nine tenths of its height.
    nod = np.sin(2 * np.pi * np.arange(200) / 25)
    assert np.abs(_smoothed(nod)[20:-20]).max() > 0.9


def test_between_one_sighting_is_that_sighting() -> None:
    values = np.ones((1, 5, 2), np.float32) * 4
    assert np.array_equal(between(np.array([3]), values, np.array([3])), values)
    assert np.array_equal(smooth_at(np.array([3]), values, 3), values[0])


def test_between_uneven_sightings() -> None:
    slots, values = np.array([0, 1, 5]), np.array([0, 10, 50], np.float32)
    assert between(slots, values, np.arange(6)).tolist() == [0, 10, 20, 30, 40, 50]
