# SPDX-License-Identifier: Apache-2.0
"""How far what a session says is from what was recorded: the golden vectors of a detector, the cases of a kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import WeightsIntegrityError
from cad.runtime.providers import CPU
from cad.spec import OUTPUTS
from cad.weights.golden import BLOCKS, CASES, CROP_SIZE_PX, GOLDEN_NAME, Inputs

#: On the CPU a logit may be off by so much, and by this share of itself: by so little do processors differ.
CPU_ATOL, CPU_RTOL = 2e-3, 1e-3
#: On every other provider, which adds up in an order of its own; a probability moves by less than 0.02.
OTHER_ATOL = 0.05
#: Name of the entry of a kit's ``reference.npz`` with all that is no array.
_DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst of one output.

    Attributes:
        output: Its name.
        case: In which case.
        difference: How far it is off; infinite where its shape is another.
        allowed: How far it may be.
    """

    output: str
    case: str
    difference: float
    allowed: float

    @property
    def is_right(self) -> bool:
        """Whether it is within what is allowed."""
        return self.difference <= self.allowed


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a graph said of an input when the record was made.

    Attributes:
        name: Of the case.
        inputs: By name.
        outputs: Likewise.
        allowed: By output how far it may be off; the detector's bounds where it is empty.
    """

    name: str
    inputs: Inputs
    outputs: Mapping[str, NDArray[np.generic]]
    allowed: Mapping[str, float]


def golden_records(folder: Path) -> list[Recorded]:
    """Return the golden vectors beside packaged weights; none where there are none.

    Raises:
        WeightsIntegrityError: The file is damaged.
    """
    path = folder / GOLDEN_NAME
    if not path.is_file():
        return []
    try:
        with np.load(path) as stored:
            said = {case.name: {name: stored[f"{case.name}/{name}"] for name in OUTPUTS} for case in CASES}
    except (OSError, ValueError, KeyError) as error:
        raise WeightsIntegrityError(f"{path} cannot be read: {error}") from error
    return [Recorded(case.name, case.inputs(), said[case.name], {}) for case in CASES]


def kit_records(path: Path) -> dict[str, list[Recorded]]:
    """Return the cases of a kit's ``reference.npz`` by the graph that they are of.

    Raises:
        WeightsIntegrityError: The file is damaged.
    """
    found: dict[str, list[Recorded]] = {}
    side = CROP_SIZE_PX // BLOCKS
    try:
        with np.load(path) as stored:
            for case in json.loads(bytes(stored[_DOCUMENT]))["cases"]:
                inputs = {name: _value(value, stored) for name, value in case["inputs"].items()}
                outputs = {name: _value(value, stored) for name, value in case["outputs"].items()}
                if "frames_blocks" in inputs:
                    inputs["frames"] = inputs.pop("frames_blocks").repeat(side, axis=2).repeat(side, axis=3)
                found.setdefault(case["stage"], []).append(
                    Recorded(case["name"], inputs, outputs, dict.fromkeys(outputs, 0.0) | case["tolerance"])
                )
    except (OSError, ValueError, KeyError) as error:
        raise WeightsIntegrityError(f"{path} cannot be read: {error}") from error
    return found


def _value(value: Any, stored: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"array"}:
        return stored[value["array"]]
    return np.array(value) if isinstance(value, int) else value


def worst_differences(session: Any, records: list[Recorded], provider: str) -> list[Difference]:
    """Return for each output the case in which it is worst, against what is allowed there.

    Args:
        session: Of ONNX Runtime.
        records: Of the same graph.
        provider: What it runs on.
    """
    worst: dict[str, Difference] = {}
    for one in _differences(session, records, provider):
        known = worst.get(one.output)
        if known is None or one.difference / max(one.allowed, 1e-12) > known.difference / max(known.allowed, 1e-12):
            worst[one.output] = one
    return list(worst.values())


def _differences(session: Any, records: list[Recorded], provider: str) -> Iterator[Difference]:
    for record in records:
        names = list(record.outputs)
        for name, now in zip(names, session.run(names, record.inputs), strict=True):
            then = record.outputs[name]
            if now.shape != then.shape or not np.isfinite(now).all():
                yield Difference(name, record.name, float("inf"), 0.0)
                continue
            apart = np.abs(now.astype(np.float64) - then)
            allowed = record.allowed.get(name, CPU_ATOL if provider == CPU else OTHER_ATOL)
            if name not in record.allowed:
                apart = apart - CPU_RTOL * np.abs(then)
            yield Difference(name, record.name, max(0.0, float(apart.max(initial=0.0))), allowed)
