# SPDX-License-Identifier: Apache-2.0
"""The ModelSpec of a freshly exported network, before calibration."""

from __future__ import annotations

from collections.abc import Mapping

from cad.models import CadConfig
from cad.spec import HEADS, Calibration, ModelSpec, OperatingPoint


def spec_of(config: CadConfig, name: str, notes: Mapping[str, str]) -> ModelSpec:
    """Return the spec with the identity as calibration; export/calibrate.py replaces it by a measured one.

    Args:
        config: Of the network.
        name: Of the weights.
        notes: Of the checkpoint; ``trained_on`` and ``commit`` are taken over.
    """
    return ModelSpec(
        name=name,
        window_frames=config.window_frames,
        min_frames=config.min_frames,
        calibration={head: Calibration() for head in HEADS},
        operating_points={head: OperatingPoint() for head in HEADS},
        trained_on=notes.get("trained_on", ""),
        commit=notes.get("commit", ""),
    )
