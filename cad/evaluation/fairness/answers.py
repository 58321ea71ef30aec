# SPDX-License-Identifier: Apache-2.0
"""Takes the answers on files from a log of scores, for files that the weights themselves were trained on.

What a net says of genuine files that it has learnt flatters it. Heads that had not seen a file's source are alike
enough for the numbers of the weights to hold for them (``cad.evaluation.calibration.scored``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cad.evaluation.fairness.measuring import FileMeasure
from cad.evaluation.records import FileScore
from cad.spec import ModelSpec, spec_for
from cad.verdict.calibrate import platt

#: Kind of file by kind of medium, for those that one head judges alone, and that head.
ALONE = {"image": ("still", "video"), "audio": ("recording", "audio")}


def answered(measures: Sequence[FileMeasure], scores: Mapping[str, FileScore], spec: ModelSpec) -> list[FileMeasure]:
    """Return the measures of stills and recordings with the answers that ``spec`` gives to the raw logits of scores.

    A file without a score keeps the product's answer, and so does one that could not be read or has no face.
    """
    return [_answered(measure, scores.get(measure.path), spec) for measure in measures]


def _answered(measure: FileMeasure, score: FileScore | None, spec: ModelSpec) -> FileMeasure:
    if score is None or measure.kind not in ALONE or measure.probability is None:
        return measure
    domain, head = ALONE[measure.kind]
    numbers, logit = spec_for(spec, domain), score.logit.get(head)
    if logit is None or head not in numbers.calibration or head not in numbers.operating_points:
        return measure
    probability = float(platt(np.array([logit]), numbers.calibration[head])[0])
    point = numbers.operating_points[head]
    is_real, is_fake = probability < point.real_threshold, probability >= point.fake_threshold
    return replace(
        measure,
        probability=probability,
        answer="fake" if is_fake else "real" if is_real else "inconclusive",
    )
