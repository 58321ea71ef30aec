# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pandas
import pytest

from cad.errors import DataError
from cad.evaluation.shortcut_baselines.baselines import baseline, baseline_scores


def test_the_source_is_guessed_and_answers_with_its_share_of_fakes(rng: np.random.Generator) -> None:
    """Three pages that look different: one of fakes, one of genuine clips, one half and half."""
    page = np.repeat([0, 1, 2], 40)
    labels = np.concatenate([np.ones(40), np.zeros(40), np.arange(40) % 2]).astype(int)
    features = pandas.DataFrame({"metadata.size": page + rng.normal(0, 0.05, 120)})
    sources = np.array(["fakes", "genuine", "both"])[page]
    looks = pandas.DataFrame({"metadata.size": [0.0, 1.0, 2.0, np.nan]})
    scores = baseline_scores(baseline("source"), features, labels, looks, 0, sources)
    assert scores[:3] == pytest.approx([1.0, 0.0, 0.5], abs=0.05) and np.isnan(scores[3])
    with pytest.raises(DataError, match="sources"):
        baseline_scores(baseline("source"), features, labels, looks, 0)
