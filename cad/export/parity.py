# SPDX-License-Identifier: Apache-2.0
"""Checks for the export that a graph says the same as its torch source: names, axes, types, then values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.errors import ParityError
from cad.models import Net
from cad.runtime.session import INPUT_TYPES
from cad.spec import INPUTS, METADATA_KEY, OUTPUTS, ModelSpec

RTOL, ATOL = 1e-3, 1e-4

#: Batch and time; none is the shape of the export.
SHAPES = ((1, 1), (3, 37), (1, 75))
SIGNALS = ("noise", "silence", "loud", "no picture", "no sound")


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst difference of one output over all cases.

    Attributes:
        output: Its name.
        absolute: Largest absolute difference.
        share_of_tolerance: Largest difference divided by what is allowed for it.
        case: Where that was.
    """

    output: str
    absolute: float
    share_of_tolerance: float
    case: str


def check_parity(model: Net, path: Path, strict: bool = True) -> list[Difference]:
    """Compare the file with the network on every signal at every shape.

    Args:
        model: The source, in evaluation mode.
        path: The exported file.
        strict: Fail on values out of tolerance; without it they are only measured (weights of lower precision).

    Returns:
        The worst difference of each output.

    Raises:
        ParityError: Names, axes, types or values differ; the message says which and by how much.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    _check_signature(session)
    worst = {name: Difference(name, 0.0, 0.0, "") for name in OUTPUTS}
    for case, inputs in parity_cases():
        with torch.inference_mode():
            output = model(*(torch.from_numpy(inputs[name]) for name in INPUTS))
        expected = {name: getattr(output, name).numpy() for name in OUTPUTS}
        found = dict(zip(OUTPUTS, session.run(list(OUTPUTS), inputs), strict=True))
        for name in OUTPUTS:
            difference = _difference(name, expected[name], found[name], case)
            if difference.share_of_tolerance >= worst[name].share_of_tolerance:
                worst[name] = difference
    failed = [item for item in worst.values() if not item.share_of_tolerance <= 1.0]
    if strict and failed:
        listed = "; ".join(f"{item.output}: {item.absolute:.3g} at {item.case}" for item in failed)
        raise ParityError(f"{path.name} differs from its source by more than rtol {RTOL}, atol {ATOL}: {listed}")
    return list(worst.values())


def parity_cases() -> Iterator[tuple[str, dict[str, NDArray[np.generic]]]]:
    """Yield name and inputs of each case, always the same."""
    for batch, time in SHAPES:
        for signal in SIGNALS:
            yield f"{signal} {batch}x{time}", _inputs(signal, batch, time)


def _inputs(signal: str, batch: int, time: int) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng([SIGNALS.index(signal), batch, time])
    ones = np.ones((batch, time), np.float32)
    frames = rng.integers(0, 256, (batch, time, 160, 160, 3), dtype=np.uint8)
    level = {"loud": 1.0, "silence": 0.0}.get(signal, 0.1)
    audio = np.clip(rng.normal(0.0, level, (batch, time * SAMPLES_PER_FRAME)), -1.0, 1.0).astype(np.float32)
    if signal == "silence":
        frames[:] = 128
    # Silence is marked absent, as cad.speech marks it: nothing that counts as speech is without any sound, and what a
    # trained net makes of the differences between equal slots is decided by rounding.
    present = ones * (signal != "no picture"), ones * (signal not in ("no sound", "silence"))
    return dict(zip(INPUTS, (frames, audio, *present), strict=True))


def _difference(name: str, expected: NDArray[np.float32], found: NDArray[np.float32], case: str) -> Difference:
    if expected.shape != found.shape or expected.dtype != found.dtype:
        raise ParityError(
            f"{name} at {case}: torch gives {expected.dtype} {expected.shape}, the graph {found.dtype} {found.shape}"
        )
    if not np.isfinite(found).all():
        raise ParityError(f"{name} at {case}: the graph gives values that are not finite")
    gap = np.abs(expected.astype(np.float64) - found)
    share = gap / (ATOL + RTOL * np.abs(expected))
    return Difference(name, float(gap.max()), float(share.max()), case)


def _check_signature(session: onnxruntime.InferenceSession) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    for kind, wanted, found in (("inputs", INPUTS, inputs), ("outputs", OUTPUTS, outputs)):
        names = tuple(item.name for item in found)
        if names != tuple(wanted):
            raise ParityError(f"{kind} must be {wanted}, the graph has {names}")
    for item in inputs:
        if item.type != INPUT_TYPES[item.name]:
            raise ParityError(f"{item.name} must be {INPUT_TYPES[item.name]}, the graph has {item.type}")
    for item in (*inputs, *outputs):
        is_series = item.name in INPUTS or item.name.endswith("frame_logits")
        fixed = [axis for axis in range(2 if is_series else 1) if isinstance(item.shape[axis], int)]
        if fixed:
            raise ParityError(f"axes {fixed} of {item.name} must be free, the graph has the shape {item.shape}")
    ModelSpec.from_json(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
