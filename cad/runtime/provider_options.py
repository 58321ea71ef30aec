# SPDX-License-Identifier: Apache-2.0
"""What each of ONNX Runtime's providers is told, so that a verdict is the same on all of them: float32 stays float32.

Source: https://onnxruntime.ai/docs/execution-providers (names and values of the options).
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import onnxruntime

from cad.runtime.providers import COREML, CUDA, OPENVINO, TENSORRT

logger = logging.getLogger(__name__)

#: Where TensorRT keeps the engines that it built, by the model's hash.
CACHE_VARIABLE = "CAD_TENSORRT_CACHE"
#: What ONNX Runtime's provider is linked to or opens, each after what it needs itself.
_CUDA_LIBRARIES = (
    "libcudart.so.{}", "libcublasLt.so.{}", "libcublas.so.{}", "libnvrtc.so.{}", "libcurand.so.10", "libcufft.so.12",
    "libcufft.so.11", "libcudnn.so.9",
)  # fmt: skip
_DRIVER = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


def options_of(provider: str, sha256: str, threads: int = 0) -> dict[str, str]:
    """Return the options of a provider by name.

    Args:
        provider: Name of a provider.
        sha256: Of the model, for what is kept of it.
        threads: Of the CPU, where the provider has threads of its own; 0 leaves it to it.
    """
    if provider == CUDA:
        # EXHAUSTIVE would try every algorithm anew for each length of a window; DEFAULT takes one without looking.
        return {
            "use_tf32": "0",
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }
    if provider == TENSORRT:
        # ONNX Runtime tells engines apart by names and shapes, not by weights.
        folder = str(engine_folder(sha256))
        return {
            "trt_fp16_enable": "False",
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": folder,
        }
    if provider == OPENVINO:
        # Without it a processor that multiplies in bfloat16 would.
        given = {"num_of_threads": str(threads)} if threads else {}
        return {"device_type": "CPU", "precision": "FP32", **given}
    if provider == COREML:
        # Not on the neural engine, which computes in float16.
        return {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"}
    return {}


def engine_folder(sha256: str) -> Path:
    """Return the folder for TensorRT's engines of one model, under ``CAD_TENSORRT_CACHE`` or the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get(CACHE_VARIABLE) or Path(home, "cad-detect", "tensorrt"))
    return root / f"{sha256[:16]}-{onnxruntime.__version__}"


def prepare(providers: tuple[str, ...], sha256: str) -> None:
    """Do what has to be done before a session is opened: load CUDA's libraries, make TensorRT's folder.

    TensorRT has no option for it, so its multiplication in TF32 (10 bits) is switched off for the process.

    Raises:
        OSError: The folder cannot be made.
    """
    if TENSORRT in providers:
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
        engine_folder(sha256).mkdir(mode=0o700, parents=True, exist_ok=True)
    if CUDA in providers:
        load_cuda_libraries()


def load_cuda_libraries() -> None:
    """Load the CUDA libraries that Python packages have brought (torch's among them), so that ONNX Runtime finds them.

    On Linux by hand: ``onnxruntime.preload_dlls`` prints what it misses among the results of a command.
    """
    major = str(getattr(onnxruntime, "cuda_version", "")).split(".")[0]
    if not sys.platform.startswith("linux"):
        getattr(onnxruntime, "preload_dlls", lambda: None)()
        return
    for path in cuda_libraries(nvidia_folders(), major):
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            logger.debug("%s does not load: %s", path, error)


def nvidia_folders() -> list[Path]:
    """Return the folders in which NVIDIA's packages for Python lie."""
    spec = importlib.util.find_spec("nvidia")
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []


def cuda_libraries(folders: Iterable[Path], major: str) -> list[Path]:
    """Return the libraries for one version of CUDA that lie in folders of NVIDIA's packages, in the order to load.

    Args:
        folders: Where packages have one folder each (CUDA 12), or one for all (``cu13``).
        major: The version that ONNX Runtime was built for.
    """
    wanted = [name.format(major) for name in _CUDA_LIBRARIES]
    shelves = [shelf for folder in folders for shelf in sorted(folder.glob("*/lib"))]
    found = ((shelf / name for shelf in shelves if (shelf / name).is_file()) for name in wanted if major)
    return [path for paths in found if (path := next(paths, None)) is not None]


def lacks_driver(provider: str) -> str | None:
    """Return why a provider for NVIDIA's cards cannot start, where there is no driver for them; else None."""
    name = _DRIVER.get(sys.platform)
    if provider not in (CUDA, TENSORRT) or name is None:
        return None
    try:
        ctypes.CDLL(name)
    except OSError:
        return f"this machine has no NVIDIA driver ({name})"
    return None
