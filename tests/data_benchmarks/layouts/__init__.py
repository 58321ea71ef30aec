# SPDX-License-Identifier: Apache-2.0
"""Miniature trees of published sets, one file a set; each file's ``LAYOUTS`` is found here by itself."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from layouts.layout import Layout


def every_layout() -> list[Layout]:
    """Return the layouts of all files in this folder."""
    modules = [import_module(f"layouts.{module.name}") for module in iter_modules(__path__)]
    return [layout for module in modules for layout in getattr(module, "LAYOUTS", ())]
