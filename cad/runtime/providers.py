# SPDX-License-Identifier: Apache-2.0
"""Chooses which of ONNX Runtime's execution providers run the model, and checks that they do.

ONNX Runtime itself falls back from CUDA to the CPU without an exception (microsoft/onnxruntime 23372).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cad.errors import OptionError
from cad.versions import RUNTIMES, installed_version

Device = Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml", "directml"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "tensorrt", "openvino", "coreml", "directml")
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
COREML = "CoreMLExecutionProvider"
DIRECTML = "DmlExecutionProvider"

#: By device: in order of preference, who runs on it. The CPU stands behind them for operators that they lack.
BY_DEVICE: Mapping[str, tuple[str, ...]] = {
    "cpu": (CPU,),
    "cuda": (CUDA, CPU),
    "tensorrt": (TENSORRT, CUDA, CPU),
    "openvino": (OPENVINO, CPU),
    "coreml": (COREML, CPU),
    "directml": (DIRECTML, CPU),
}


@dataclass(frozen=True, slots=True)
class Traits:
    """How a provider wants to be used.

    Attributes:
        batch_windows: Windows of one call at most. On a CPU more cost memory (4 MB of crops each) and gain no speed.
        memory: Name that ONNX Runtime has for the device's own memory, where inputs are put there for a call; None
            where a plain call is as fast.
        gathers: Windows of clips that are judged side by side go into one call, and calls never overlap.
        package: The build of ONNX Runtime that has it.
        what: What it is for, for messages.
    """

    batch_windows: int = 4
    memory: str | None = None
    gathers: bool = False
    package: str = "onnxruntime"
    what: str = "the CPU"


TRAITS: Mapping[str, Traits] = {
    CPU: Traits(),
    CUDA: Traits(32, "cuda", True, "onnxruntime-gpu", "a CUDA GPU"),
    TENSORRT: Traits(32, "cuda", True, "onnxruntime-gpu", "TensorRT on a CUDA GPU"),
    OPENVINO: Traits(package="onnxruntime-openvino", what="OpenVINO"),
    COREML: Traits(8, package="onnxruntime", what="Core ML (only the wheels for macOS have it)"),
    # Its sessions must not be called by two threads at once.
    DIRECTML: Traits(16, gathers=True, package="onnxruntime-directml", what="DirectML on Windows"),
}


def install_command(package: str) -> str:
    """Return the command that leaves this build of ONNX Runtime and no other, since all of them own one folder.

    Example:
        >>> install_command("onnxruntime")
        'pip uninstall -y onnxruntime && pip install --no-deps --force-reinstall onnxruntime'
    """
    others = " ".join(dict.fromkeys(("onnxruntime", package)))
    return f"pip uninstall -y {others} && pip install --no-deps --force-reinstall {package}"


GPU_INSTALL_COMMAND = install_command("onnxruntime-gpu")


def check_device(device: str) -> None:
    """Check that there is such a device.

    Raises:
        OptionError: There is none; the message names them, and the one that was probably meant.
    """
    if device not in DEVICES:
        nearest = difflib.get_close_matches(device, DEVICES, n=1)
        hint = f" (did you mean {nearest[0]}?)" if nearest else ""
        raise OptionError(f"device is {device!r}; accepted are {', '.join(DEVICES)}{hint}")


def traits_of(providers: Sequence[str]) -> Traits:
    """Return how the first of the providers of a session wants to be used."""
    return TRAITS.get(providers[0], Traits())


def choose_providers(device: Device, named: Sequence[str] | None, available: Sequence[str]) -> tuple[str, ...]:
    """Return the providers to open a session with, in order of preference.

    Args:
        device: ``auto`` takes CUDA where ONNX Runtime has it and else the CPU; all others insist.
        named: Provider names; when given they are used and ``device`` is not.
        available: What the installed ONNX Runtime offers.

    Raises:
        OptionError: Something was asked for that is not available; the message says what is, the nearest first, and
            which package has what was asked for.

    Example:
        >>> choose_providers("auto", None, ["CPUExecutionProvider"])
        ('CPUExecutionProvider',)
    """
    check_device(device)
    for name in named or ():
        if name not in available:
            nearest = difflib.get_close_matches(name, available, n=len(available), cutoff=0.0)
            raise OptionError(
                f"provider {name!r} is not available; this ONNX Runtime has {', '.join(nearest)}{_hint(name)}"
            )
    if named:
        return tuple(named)
    if device == "auto":
        device = "cuda" if CUDA in available else "cpu"
    wanted = BY_DEVICE[device]
    if wanted[0] not in available:
        raise OptionError(
            f"device {device} was asked for, but this ONNX Runtime has only {', '.join(available)}{_hint(wanted[0])}"
        )
    return tuple(name for name in wanted if name in available)


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
        raise OptionError(not_started(asked[0], active))
    return tuple(active)


def not_started(name: str, active: Sequence[str]) -> str:
    """Return what to say of a provider that is installed and did not start: what there is, and where to look."""
    look = {CUDA: "the driver and the CUDA libraries", TENSORRT: "the driver and TensorRT's and CUDA's libraries"}
    return (
        f"{name} is installed, but did not start (the session has {', '.join(active)}); look at "
        f"{look.get(name, 'its driver')}"
    )


def other_runtimes_warning() -> str | None:
    """Return one line if several builds of ONNX Runtime are installed, which own one folder; else None."""
    found = [name for name in RUNTIMES if installed_version(name)]
    if len(found) < 2:
        return None
    kept = found[-1]
    command = f"pip uninstall -y {' '.join(found)} && pip install --no-deps --force-reinstall {kept}"
    all_of_them = "both" if len(found) == 2 else "all"
    return f"{' and '.join(found)} are {all_of_them} installed and overwrite each other; keep one: {command}"


def _hint(name: str) -> str:
    """Return which package has a provider, ready to stand behind a message; nothing for one that is not known."""
    traits = TRAITS.get(name)
    return "" if traits is None else f"; for {traits.what}: {install_command(traits.package)}"
