# SPDX-License-Identifier: Apache-2.0
"""Running the exported model with ONNX Runtime, on the sound that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad.runtime.scorer import Scorer
    from cad.runtime.speech import find_speech, keep_speech

__all__ = ["Scorer", "find_speech", "keep_speech"]

_MODULES = {"Scorer": "scorer", "find_speech": "speech", "keep_speech": "speech"}


def __getattr__(name: str) -> Any:
    """Import lazily: options and training need parts of this package without ONNX Runtime."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"cad.runtime.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
