# SPDX-License-Identifier: Apache-2.0
"""Fits what rests on the heads' numbers, frames and peaks, and says what whole files are called under all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import DataError
from cad.evaluation.calibration.clips import CalibrationClips
from cad.evaluation.calibration.peaks import fit_peaks
from cad.evaluation.calibration.platt import frame_calibration
from cad.evaluation.calibration.standing_alone import STREAMS, ChargedFiles
from cad.evaluation.detector_scorer import highest_frame_logits
from cad.spec import PEAKS, Calibration, ModelSpec, OperatingPoint, domain_key, spec_for
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import calibrate as judged
from cad.verdict.charges import find_charges
from cad.verdict.judge import judge
from cad.verdict.records import Label

#: Of the rate of genuine files that may be called fake, what a stream's mean and peaks may spend in files with both.
PEAK_SHARES = {"video_peak": 0.4, "audio_peak": 0.6}
#: With sound alone there is no picture to share the rate with.
RECORDING_PEAK_SHARE = 1.0


def is_called_fake(analysis: Analysis, spec: ModelSpec) -> bool:
    """Say whether a file is fake by its label, or a peak of it is over its threshold."""
    over = [one for one in judged(analysis, spec).peaks if one.point and one.probability >= one.point.fake_threshold]
    return bool(over) or judge(analysis, spec).label is Label.FAKE


def charged_files(clips: CalibrationClips, spec: ModelSpec) -> ChargedFiles:
    """Return the clips of one kind of file, genuine copies among them, with what heads and streams say of each."""
    parts = (clips.plain, clips.copies)
    found = [one for part in parts for one in part.found]
    kept = np.array([not isinstance(one, str) for one in found], dtype=np.bool_)
    evidence = [judged(one, spec) for one in found if not isinstance(one, str)]

    def column(name: str, kind: type) -> NDArray[Any]:
        return np.concatenate([part.rows[name].to_numpy(dtype=kind) for part in parts])[kept]

    return ChargedFiles(
        probabilities={
            head: np.array([one.probabilities[head] for one in evidence], dtype=np.float64)
            for head in ("fused", *STREAMS)
        },
        labels=column("label", np.int8),
        weights=np.ones(len(evidence)),
        sources=column("source", object),
        identities=column("identity", object),
        otherwise=np.array(
            [any(charge.is_proven and charge.kind != "fused" for charge in find_charges(one)) for one in evidence],
            dtype=np.bool_,
        ),
    )


def with_peaks(
    spec: ModelSpec, clips: CalibrationClips, max_fpr: float, chosen_on: str, domain: str = ""
) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with numbers for the peaks of every stream, and figures, or why there are none.

    Those of one kind of file are fitted on files joined from its clips; a still has no peaks.
    """
    calibration, points = dict(spec.calibration), dict(spec.operating_points)
    figures: dict[str, object] = {}
    of_files = spec_for(spec, domain) if domain else spec
    for name in () if domain == "still" else PEAKS:
        stream = name.removesuffix("_peak")
        if domain == "recording" and stream == "video":
            continue
        key = domain_key(name, domain) if domain else name
        genuine, forged = clips.lines(stream, 0), clips.lines(stream, 1)
        rate = (RECORDING_PEAK_SHARE if domain == "recording" else PEAK_SHARES[name]) * max_fpr
        on = f"{chosen_on}; {len(genuine)} genuine and {len(forged)} forged clips joined to files of up to ten minutes"
        try:
            calibration[key], points[key], figures[name] = fit_peaks(stream, genuine, forged, of_files, rate, on)
        except DataError as error:
            figures[name] = str(error)
    return replace(spec, calibration=calibration, operating_points=points), figures


def of_frames(
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
