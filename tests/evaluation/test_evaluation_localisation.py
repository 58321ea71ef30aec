# SPDX-License-Identifier: Apache-2.0
"""AP and AR of stretches, held against the figures of the ``avdeepfake1m`` package.

Its wheel pins an old numpy and torch, so it is no dependency; where it lies installed (``pip install --no-deps
avdeepfake1m``) its compiled part is loaded by itself and compared, elsewhere the figures that it printed for the same
proposals (seed 0 and 1 below) stand in for it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import json

import numpy as np
import pytest
from requirements import require

from cad.evaluation.localisation import (
    AP_OVERLAPS,
    AR_OVERLAPS,
    AR_PROPOSALS,
    Proposals,
    average_precision,
    average_recall,
    localisation_figures,
)

#: Printed by avdeepfake1m 0.0.4 (ap_ar_1d) for made_files(seed): AP at AP_OVERLAPS, AR at AR_PROPOSALS.
REFERENCE = {
    0: [0.2569, 0.101, 0.00263, 0.00041, 0.60476, 0.52381, 0.49048, 0.37857, 0.28571],
    1: [0.22484, 0.09569, 0.00287, 6e-05, 0.52979, 0.49362, 0.46596, 0.37021, 0.26596],
}


def made_files(seed):
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(30):
        truth, proposals, at = [], [], 0.0
        for _ in range(rng.integers(0, 4)):
            start = at + rng.uniform(0.1, 1.0)
            at = start + rng.uniform(0.2, 2.0)
            truth.append([round(start, 3), round(at, 3)])
            for _ in range(rng.integers(0, 4)):
                low, high = start + 0.2 * rng.normal(), at + 0.2 * rng.normal()
                if high > low:
                    proposals.append([rng.random(), low, high])
        for _ in range(rng.integers(1, 70)):
            low = rng.uniform(0, 6)
            proposals.append([0.9 * rng.random(), low, low + rng.uniform(0.1, 2)])
        files.append((sorted(proposals, reverse=True), truth))
    return files


def ours(files):
    made = [Proposals.of(proposals, truth) for proposals, truth in files]
    precision = [average_precision(made, overlap, drop_first_step=True) for overlap in AP_OVERLAPS]
    return precision + [average_recall(made, number) for number in AR_PROPOSALS]


@pytest.mark.parametrize("seed", [0, 1])
def test_figures_of_the_reference_package(seed):
    assert ours(made_files(seed)) == pytest.approx(REFERENCE[seed], abs=1e-4)


@pytest.mark.parametrize("seed", range(2, 12))
def test_the_reference_package_itself(seed, tmp_path):
    reference = reference_module()
    files = made_files(seed)
    labels = [{"file": f"{i}.mp4", "fake_segments": truth} for i, (_, truth) in enumerate(files)]
    proposed = {f"{i}.mp4": proposals for i, (proposals, _) in enumerate(files)}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "proposals.json").write_text(json.dumps(proposed))
    found = reference.ap_ar_1d(
        str(tmp_path / "proposals.json"), str(tmp_path / "labels.json"), "file", "fake_segments", 1.0,
        list(AP_OVERLAPS), list(AR_PROPOSALS), list(AR_OVERLAPS),
    )  # fmt: skip
    expected = [found["ap"][key] for key in sorted(found["ap"])] + [found["ar"][n] for n in AR_PROPOSALS]
    assert ours(files) == pytest.approx(expected, abs=1e-4)


def reference_module():
    require("avdeepfake1m")
    files = importlib.metadata.files("avdeepfake1m") or []
    compiled = next(str(file.locate()) for file in files if file.name.startswith("_evaluation"))
    loader = importlib.machinery.ExtensionFileLoader("_evaluation", compiled)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_evaluation", loader))
    loader.exec_module(module)
    return module


def test_by_hand():
    files = [
        Proposals.of([[0.9, 1.0, 2.1], [0.5, 0, 1]], [[1, 2]]),
        Proposals.of([[0.8, 0, 1]], []),
        Proposals.of([[0.7, 0, 1.5], [0.6, 2, 3]], [[0, 1], [2, 3]]),
    ]
    # Ordered: hit, miss (genuine file), hit, hit, miss -> recall 1/3, 1/3, 2/3, 1 at precision 1, .5, .67, .75.
    assert average_precision(files, 0.5) == pytest.approx(1 / 3 + 2 / 3 * 0.75)
    assert average_recall(files, 1) == pytest.approx((4 * 2 / 3 + 5 * 1 / 3) / 10)


def test_perfect_nothing_and_no_truth():
    perfect = [Proposals.of([[1.0, 0, 1]], [[0, 1]])]
    assert set(localisation_figures(perfect).values()) == {1.0}
    assert set(localisation_figures([Proposals.of([], [[0, 1]])]).values()) == {0.0}
    assert all(np.isnan(value) for value in localisation_figures([Proposals.of([[0.5, 0, 1]], [])]).values())


def test_two_proposals_of_one_stretch_are_one_hit_and_one_miss():
    twice = [Proposals.of([[0.9, 0, 1], [0.8, 0, 1]], [[0, 1], [5, 6]])]
    assert average_precision(twice, 0.5) == 0.5
