# SPDX-License-Identifier: Apache-2.0
"""The nets to compare with, as small as they may be made by their options."""

from __future__ import annotations

from typing import Any

from tiny_cad import BASE_OPTIONS, with_opinions

from cad.models import Net, create_model

#: Xception has no smaller form but smaller pictures.
TINY: dict[str, dict[str, Any]] = {
    "meso4": {"size_px": 32},
    "xception": {"size_px": 75},
    "aasist_l": {"filters": 12, "channels": (4, 6), "graph_width": 8, "mixed_width": 8, "mixed_temperature": 2.0},
    "clip_probe": {"size_px": 32, "model_options": {**BASE_OPTIONS["large_face_options"]["model_options"], "depth": 2}},
}
PICTURE = ("meso4", "xception", "clip_probe")


def tiny_baseline(name: str, **options: Any) -> Net:
    return with_opinions(create_model(name, **{**TINY[name], **options})).eval()
