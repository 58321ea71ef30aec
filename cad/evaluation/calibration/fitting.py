# SPDX-License-Identifier: Apache-2.0
"""Fits calibration and operating points of all heads, tightened until the answers on whole files keep the rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cad.errors import ExportError
from cad.evaluation.calibration.clips import CalibrationClips, Say
from cad.evaluation.calibration.platt import choose_operating_point, fit_platt, frame_calibration
from cad.evaluation.detector_scorer import highest_frame_logits
from cad.spec import HEADS, Calibration, ModelSpec, OperatingPoint
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import platt
from cad.verdict.judge import judge

#: Each round of tightening leaves this share of the rate that a head may spend.
TIGHTENING = 0.8
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Aim:
    """What operating points are chosen for.

    Attributes:
        max_fpr: Highest share of genuine clips that may be called fake, in [0, 1].
        max_miss: Share of fakes that may be called real, in [0, 1].
        chosen_on: One line on the data, kept in the spec.
    """

    max_fpr: float
    max_miss: float
    chosen_on: str


def fit_spec(spec: ModelSpec, clips: CalibrationClips, aim: Aim, say: Say) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with new numbers, and the figures that these have on the clips they were chosen on.

    Args:
        spec: Of the model that measured the clips; a head without rows of both classes keeps its numbers.
        clips: What is fitted on.
        aim: What operating points are chosen for.
        say: Called with heads that keep their numbers.

    Raises:
        ExportError: After ROUNDS rounds of tightening too many genuine files are still called fake.
    """
    found = {head: clips.head_logits(head) for head in HEADS}
    for head in [head for head, (_, labels) in found.items() if len(set(labels.tolist())) < 2]:
        say(f"{head}: no rows of both classes; its numbers stay as they are")
        del found[head]
    heads = {head: fit_platt(*logits) for head, logits in found.items()}
    real, allowed, figures = clips.genuine(), aim.max_fpr, {}
    for _ in range(ROUNDS):
        chosen = {
            head: choose_operating_point(platt(logits, heads[head]), labels, allowed, aim.max_miss, aim.chosen_on)
            for head, (logits, labels) in found.items()
        }
        points = {head: choice.point for head, choice in chosen.items()}
        result = replace(
            spec,
            calibration={**spec.calibration, **heads, **_of_frames(heads, points, real, aim.max_fpr)},
            operating_points={**spec.operating_points, **points},
        )
        answers = [judge(analysis, result).label.value for analysis in real]
        rate = answers.count("fake") / max(len(answers), 1)
        figures = {
            "genuine_files": len(real),
            "false_positive_rate_of_files": round(rate, 4),
            "head_rate_allowed": round(allowed, 4),
            "heads": {head: choice.figures() for head, choice in chosen.items()},
            "unreadable": clips.unreadable,
        }
        if rate <= aim.max_fpr:
            return result, figures
        allowed *= TIGHTENING
    raise ExportError(f"no operating point keeps {aim.max_fpr:.3f} of genuine files: {figures}")


def _of_frames(
    heads: Mapping[str, Calibration], points: Mapping[str, OperatingPoint], real: Sequence[Analysis], max_fpr: float
) -> dict[str, Calibration]:
    """Return the calibration of frame logits of each stream that was fitted and that genuine files have."""
    highest = defaultdict(list)
    for analysis in real:
        for stream, logit in highest_frame_logits(analysis).items():
            highest[stream].append(logit)
    return {
        f"{stream}_frame": frame_calibration(heads[stream], np.array(logits), points[stream].fake_threshold, max_fpr)
        for stream, logits in highest.items()
        if stream in heads
    }
