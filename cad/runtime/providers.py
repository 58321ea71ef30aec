# SPDX-License-Identifier: Apache-2.0
"""Chooses which of ONNX Runtime's execution providers run the model, and checks that they do.

ONNX Runtime itself falls back from CUDA to the CPU without an exception (microsoft/onnxruntime 23372).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

from cad.errors import OptionError
from cad.versions import installed_version

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
GPU_INSTALL_COMMAND = (
    "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps --force-reinstall onnxruntime-gpu"
)
CUDA_HINT = f"for a CUDA GPU: {GPU_INSTALL_COMMAND}"


def choose_providers(device: Device, named: Sequence[str] | None, available: Sequence[str]) -> tuple[str, ...]:
    """Return the providers to open a session with, in order of preference.

    Args:
        device: ``auto`` takes CUDA where ONNX Runtime has it and else the CPU; ``cuda`` and ``cpu`` insist.
        named: Provider names; when given they are used and ``device`` is not.
        available: What the installed ONNX Runtime offers.

    Raises:
        OptionError: Something was asked for that is not available; the message says what is, the nearest first.

    Example:
        >>> choose_providers("auto", None, ["CPUExecutionProvider"])
        ('CPUExecutionProvider',)
    """
    if device not in DEVICES:
        raise OptionError(f"device is {device!r}; accepted are {', '.join(DEVICES)}")
    for name in named or ():
        if name not in available:
            nearest = difflib.get_close_matches(name, available, n=len(available), cutoff=0.0)
            hint = f"; {CUDA_HINT}" if name == CUDA else ""
            raise OptionError(f"provider {name!r} is not available; this ONNX Runtime has {', '.join(nearest)}{hint}")
    if named:
        return tuple(named)
    if device == "cpu":
        return (CPU,)
    if CUDA in available:
        # The CPU stands behind it for the few operators that CUDA lacks.
        return (CUDA, CPU)
    if device == "cuda":
        raise OptionError(
            f"device cuda was asked for, but this ONNX Runtime has only {', '.join(available)}; {CUDA_HINT}"
        )
    return (CPU,)


def check_active(asked: Sequence[str], active: Sequence[str], insisted: bool) -> tuple[str, ...]:
    """Return the providers that a session really has, after comparing them with what was asked for.

    Args:
        asked: What the session was opened with.
        active: What ``session.get_providers()`` says.
        insisted: Whether the user asked for these by name, so that falling back is an error.

    Raises:
        OptionError: The first provider asked for did not start and the user insisted on it.
    """
    if insisted and asked[0] not in active:
        raise OptionError(
            f"{asked[0]} was asked for and is installed, but did not start (the session has {', '.join(active)}); "
            "look at the driver and the CUDA libraries, or use --device cpu"
        )
    return tuple(active)


def both_runtimes_warning() -> str | None:
    """Return one line if onnxruntime and onnxruntime-gpu are both installed, which own one folder; else None."""
    if not (installed_version("onnxruntime") and installed_version("onnxruntime-gpu")):
        return None
    return (
        f"onnxruntime and onnxruntime-gpu are both installed and overwrite each other; keep one: {GPU_INSTALL_COMMAND}"
    )
