# SPDX-License-Identifier: Apache-2.0
"""Damaged files of twelve kinds: every outcome has a name, and nothing hangs, dies or leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.fuzz_media import fuzz, is_clean, mutate
from requirements import needs

pytestmark = needs("linux")


def check(folder: Path, count: int, seed: int) -> None:
    figures = fuzz(folder, count, seed)
    assert is_clean(figures), figures
    outcomes = figures["outcomes"]
    assert isinstance(outcomes, dict) and sum(outcomes.values()) == count
    # The damage must be real, and not so heavy that nothing is ever read.
    assert outcomes.get("partial", 0) > 0.05 * count
    assert sum(number for name, number in outcomes.items() if name.startswith("refused")) > 0.02 * count


def test_sixty_mutations(ffmpeg: None, tmp_path: Path) -> None:
    check(tmp_path, 60, seed=1)


@pytest.mark.slow
def test_two_thousand_mutations(ffmpeg: None, tmp_path: Path) -> None:
    check(tmp_path, 2000, seed=20260101)


def test_mutations_are_seeded_and_damage() -> None:
    data = bytes(range(256)) * 40
    first, again = (mutate(data, np.random.default_rng(5)) for _ in range(2))
    assert first == again != data
