# SPDX-License-Identifier: Apache-2.0
"""Gives verdicts and reports the versions of this package and of those whose release may change a number."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

#: Builds of ONNX Runtime, of which one may be installed.
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
#: Decoding, scaling and arithmetic happen in these.
DISTRIBUTIONS = ("cad-detect", "av", "numpy", *RUNTIMES, "opencv-python-headless")


@cache
def versions() -> dict[str, str]:
    """Return the version by distribution, of those that are installed."""
    return {name: found for name in DISTRIBUTIONS if (found := installed_version(name)) is not None}


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
