# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_clips import made_clip

from cad.data.augment import augment, clip_statistics, shortcut_check
from cad.data.augment.shortcuts import STATISTICS
from cad.data.forge import DEFAULT_WEIGHTS, DonorPool, forge, genuine
from cad.data.records import Clip

SLOTS = 30
#: With 48 clips a class and no difference at all, an AUC strays from 0.5 by more than 0.2 once in a thousand times.
COUNT = 48
LIMIT = 0.75


@pytest.fixture(scope="module")
def sources() -> list[Clip]:
    return [made_clip(70, seed, identity=f"person{seed % 4}") for seed in range(8)]


def treated_pair(sources: list[Clip], pool: DonorPool, weights: dict[str, float]) -> tuple[list[Clip], list[Clip]]:
    forged, real = [], []
    for number in range(COUNT):
        source = sources[number % len(sources)]
        rng = np.random.default_rng([7, number])
        fake = forge(source, rng, pool, weights, slots=SLOTS)
        assert fake is not None
        forged.append(augment(fake, rng).clip)
        rng = np.random.default_rng([8, number])
        real.append(augment(genuine(source, rng, SLOTS), rng).clip)
    return forged, real


def test_no_plain_statistic_tells_default_forgeries_from_genuine_windows(sources: list[Clip]) -> None:
    pool = DonorPool(sources, [made_clip(60, 20 + seed, "engine") for seed in range(4)])
    found = shortcut_check(*treated_pair(sources, pool, dict(DEFAULT_WEIGHTS)))
    assert {one.name for one in found} == set(STATISTICS)
    assert all(one.forged == one.genuine == COUNT for one in found)
    assert found[0].strength < LIMIT, found


def test_a_shortcut_that_is_there_is_found(sources: list[Clip]) -> None:
    """Forged sound that is louder and starts late is what this check is for."""
    real = [genuine(source, np.random.default_rng(0), SLOTS).clip for source in sources]
    forged = []
    for clip in real:
        audio = clip.audio * np.float32(3)
        audio[:2000] = 0
        forged.append(replace(clip, audio=audio))
    found = {one.name: one for one in shortcut_check(forged, real)}
    assert found["loudness_db"].auc > 0.9
    assert found["leading_silence_seconds"].auc > 0.9
    assert abs(found["sharpness"].auc - 0.5) < 1e-9
    assert found["loudness_db"].strength == max(one.strength for one in found.values())


def test_a_blurred_face_is_found(sources: list[Clip]) -> None:
    real = [genuine(source, np.random.default_rng(0), SLOTS).clip for source in sources]
    forged = [replace(clip, frames=clip.frames // 2 + 64) for clip in real]
    found = {one.name: one for one in shortcut_check(forged, real)}
    assert found["sharpness"].auc < 0.1 and found["contrast"].auc < 0.1


def test_one_class_alone_is_refused(sources: list[Clip]) -> None:
    with pytest.raises(ValueError, match="0 genuine"):
        shortcut_check(sources, [])


def test_statistics_of_an_absent_stream_are_absent(sources: list[Clip]) -> None:
    silent = replace(sources[0], audio=None, audio_present=np.zeros(70, bool))
    assert "loudness_db" not in clip_statistics(silent) and "sharpness" in clip_statistics(silent)
