# SPDX-License-Identifier: Apache-2.0
"""Gives evaluations the product as a scorer: the answer of ``cad-detect`` on each file, and its raw clip logits."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cad.detector import Detector
from cad.errors import MediaError
from cad.evaluation.records import FileScore
from cad.options import DetectOptions
from cad.spec import DOMAIN_MARK, HEADS, ModelSpec, plain_key
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import calibrate, operating_point_of
from cad.verdict.judge import verdict_of
from cad.verdict.segments import candidate_segments
from cad.verdict.timeline import smooth, stream_timelines


class DetectorScorer:
    """Scores files with the detector.

    Args:
        model: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        threads: Threads of the model; 0 takes every core.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
    """

    def __init__(self, model: str | None = None, threads: int = 0) -> None:
        self._detector = Detector(DetectOptions(model=model, threads=threads))

    @property
    def identity(self) -> str:
        """Name and hash of the weights and of the nets that find faces and speech."""
        return scorer_identity(self._detector.nets)

    @property
    def is_calibrated(self) -> bool:
        """Whether the model's probabilities and thresholds were ever fitted; else only rankings mean something."""
        return bool(self._detector.spec.calibration) and bool(self._detector.spec.operating_points)

    @property
    def thresholds(self) -> dict[str, float]:
        """Shipped operating point by head, 0.5 where the model has none, and by head and kind of file where it has."""
        spec = self._detector.spec
        by_domain = [key for key in spec.operating_points if DOMAIN_MARK in key and plain_key(key) in HEADS]
        return {key: operating_point_of(key, spec).fake_threshold for key in (*HEADS, *by_domain)}

    def score(self, path: str, file: Path) -> FileScore:
        """Return what the detector says of ``file``; one that cannot be read is an answer with an error code."""
        start = time.perf_counter()
        try:
            analysis = self._detector.analyse(file)
        except MediaError as error:
            return FileScore(path, "error", error=error.code, seconds=time.perf_counter() - start)
        return file_score(path, analysis, self._detector.spec, time.perf_counter() - start)


def scorer_identity(nets: Mapping[str, str]) -> str:
    """Return the identity that scores are kept under: sha256 by name of all nets that decide them, the detector first.

    With other nets for faces or speech the same detector gives other scores.
    """
    return " ".join(f"{name} {sha256}" for name, sha256 in nets.items())


def highest_frame_logits(analysis: Analysis) -> dict[str, float]:
    """Return the highest smoothed frame logit of each stream that was seen or heard."""
    lines = {name: smooth(line) for name, line in stream_timelines(analysis.scores, analysis.slots).items()}
    return {name: float(np.nanmax(line)) for name, line in lines.items() if not np.isnan(line).all()}


def file_score(path: str, analysis: Analysis, spec: ModelSpec, seconds: float = math.nan) -> FileScore:
    """Return the product's answer under ``spec`` on a file that has been analysed.

    The segments are all candidates, not only those that the product reports: AP ranks them by their probability.
    """
    evidence = calibrate(analysis, spec)
    verdict, candidates = verdict_of(evidence), candidate_segments(evidence.curves)
    return FileScore(
        path=path,
        answer=verdict.label.value,
        probability={"file": verdict.probability_fake, **evidence.probabilities},
        logit=dict(analysis.clip_logits),
        segments=tuple(
            (part.start_seconds, part.stop_seconds, part.probability_fake, part.stream) for part in candidates
        ),
        reasons=tuple(reason.code for reason in verdict.reasons),
        seconds=seconds,
        offset_seconds=statistics.median(offsets) if (offsets := analysis.evidence.offsets_seconds) else None,
    )
