# SPDX-License-Identifier: Apache-2.0
"""Faces: found by a small net of our own, followed over time, aligned, and told apart by who is talking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad.faces.finder import FaceFinder
    from cad.faces.tracker import FaceTracker

__all__ = ["FaceFinder", "FaceTracker"]

_MODULES = {"FaceFinder": "finder", "FaceTracker": "tracker"}


def __getattr__(name: str) -> Any:
    """Import lazily: records of this package are needed where ONNX Runtime and OpenCV are not."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"cad.faces.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
