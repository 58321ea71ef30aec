# SPDX-License-Identifier: Apache-2.0
"""The package's weights, for detector and tools: a folder each with ``model.onnx``, ``manifest.json``, ``CARD.md``."""

from cad.weights.registry import WeightsEntry, default_detector, default_of, find_entry, list_entries, try_entries
from cad.weights.store import read_verified

__all__ = [
    "WeightsEntry",
    "default_detector",
    "default_of",
    "find_entry",
    "list_entries",
    "read_verified",
    "try_entries",
]
