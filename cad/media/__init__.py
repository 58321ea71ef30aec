# SPDX-License-Identifier: Apache-2.0
"""Reading media files onto the 25 Hz grid, decoded in a process that may crash, hang or overeat without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad.media.limits import MediaLimits
    from cad.media.pool import MediaPool
    from cad.media.reader import MediaReader, open_media

__all__ = ["MediaLimits", "MediaPool", "MediaReader", "open_media"]

_MODULES = {"MediaLimits": "limits", "MediaPool": "pool", "MediaReader": "reader", "open_media": "reader"}


def __getattr__(name: str) -> Any:
    """Import lazily: the decoding process needs other parts of this package than the reader does."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"cad.media.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
