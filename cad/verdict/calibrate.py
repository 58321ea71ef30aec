# SPDX-License-Identifier: Apache-2.0
"""From raw logits to probabilities, with the numbers that travel in the model's ModelSpec."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.spec import Calibration, ModelSpec, OperatingPoint


def probability(logit: float | None, head: str, spec: ModelSpec) -> float | None:
    """Return the calibrated probability of fake in [0, 1] of a head's clip logit; None stays None.

    Example:
        >>> from cad.spec import ModelSpec
        >>> spec = ModelSpec("toy", 50, 10, {"video": Calibration(2.0, 0.0)}, {})
        >>> round(probability(0.5, "video", spec), 3)
        0.731
    """
    return None if logit is None else float(platt(np.array(logit), calibration_of(head, spec)))


def frame_probabilities(logits: NDArray[np.float64], stream: str, spec: ModelSpec) -> NDArray[np.float64]:
    """Return the calibrated probability of every slot of a stream; NaN stays NaN.

    A spec may calibrate frame logits by themselves, under ``<stream>_frame``; else the head's own numbers hold.
    """
    key = f"{stream}_frame"
    return platt(logits, calibration_of(key if key in spec.calibration else stream, spec))


def platt(logits: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Return ``sigmoid(scale * logit + bias)`` without overflow.

    Source: Platt, 1999.
    """
    scaled = calibration.scale * logits + calibration.bias
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scaled)))


def calibration_of(head: str, spec: ModelSpec) -> Calibration:
    """Return the calibration of a head; a model that has none for it is taken as calibrated."""
    return spec.calibration.get(head, Calibration())


def operating_point_of(head: str, spec: ModelSpec) -> OperatingPoint:
    """Return where the label changes for a head."""
    return spec.operating_points.get(head, OperatingPoint())
