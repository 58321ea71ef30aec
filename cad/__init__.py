# SPDX-License-Identifier: Apache-2.0
"""Tells whether the face or the voice in a video, a still or a sound file is forged.

``from cad import Detector`` is the whole of the everyday interface. Attributes are loaded when they are first used, so
that ``import cad`` costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad.detector import Detector, Progress
    from cad.errors import CadError
    from cad.media.limits import MediaLimits
    from cad.options import DetectOptions
    from cad.verdict.analysis import Analysis
    from cad.verdict.judge import judge
    from cad.verdict.records import Label, Verdict

__all__ = [
    "Analysis",
    "CadError",
    "DetectOptions",
    "Detector",
    "Label",
    "MediaLimits",
    "Progress",
    "Verdict",
    "__version__",
    "judge",
]

# ONNX Runtime's builds for Linux send events and write a device id as soon as they are imported, and their API to stop
# that comes too late. Set here because this module always runs before ONNX Runtime is imported on our behalf.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Analysis": "cad.verdict.analysis",
    "CadError": "cad.errors",
    "DetectOptions": "cad.options",
    "Detector": "cad.detector",
    "Label": "cad.verdict.records",
    "MediaLimits": "cad.media.limits",
    "Progress": "cad.detector",
    "Verdict": "cad.verdict.records",
    "judge": "cad.verdict.judge",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "__version__":
        return installed_version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cad' has no attribute {name!r}")


def installed_version() -> str:
    """Return the version of the installed distribution, or a word that says that there is none."""
    # Imported here because it is the dearest import of the module, and few ask.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cad-detect")
    except PackageNotFoundError:
        # A checkout that is on the path without being installed.
        return "not-installed"


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
