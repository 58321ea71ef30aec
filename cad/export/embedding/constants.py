# SPDX-License-Identifier: Apache-2.0
"""Collects the constants that a program must share with this package, from the modules where they stand.

None is typed here a second time. What each means stands beside it in its module.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

#: By module the names in it.
NAMES: Mapping[str, tuple[str, ...]] = {
    "cad.clock": ("FRAME_RATE_HZ", "SAMPLE_RATE_HZ", "SAMPLES_PER_FRAME"),
    "cad.faces.active_speaker": (
        "MOUTH_PX", "UPPER_PX", "UPPER_SHARE", "MAX_LAG_SLOTS", "LEAST_SLOTS", "LEAST_OVERLAP_SLOTS", "LEAST_MOTION",
    ),
    "cad.faces.align": ("MINIFY_BELOW",),
    "cad.faces.cuts": (
        "SAMPLES", "LEAST_STEP_PX", "LUMA", "MOST_ALIKE", "LEAST_DIFFERENCE", "STANDS_OUT", "SAME_SHAPE", "_MEMORY",
    ),
    "cad.faces.finder": (
        "MAX_FACES", "MAX_STILL_FACES", "LONG_SIDES_PX", "FILLING_SIDE_PX", "MARGIN", "LEAST_SPAN", "FLAT_SPAN",
        "EVERY_SIZE", "ENOUGH_SCALE", "SEARCHED_PX", "TILE_OVERLAP_PX", "SMALL_FACE_PX", "SEARCH_SCORE",
        "MOST_CANDIDATES", "REFINE_SCORE", "NEW_SCORE", "LYING_SCORE", "MOST_SPREAD", "ASIDE", "PLACE_STEP_PX",
        "LEAST_SEARCHED_PX", "LEAST_EXTENT_PX", "REFINE_ROUNDS",
    ),
    "cad.faces.overlap": ("LEAST_OVERLAP", "NEAR", "ALIKE_HEIGHT", "SAME_FACE", "PART_OF_FACE"),
    "cad.faces.points": ("REFINE_PX", "REFINE_MARGIN_PX"),
    "cad.faces.records": ("CROP_SIZE_PX", "CANONICAL_POINTS_PX"),
    "cad.faces.shot": (
        "LOOK_STEP", "SEARCH_STEP", "DEEP_STEP", "DEEPEST_STEP", "BESIDE_STEP", "MUCH_LARGER", "UNEVEN", "LINE_OFF",
        "KNOWN_SCORE",
    ),
    "cad.faces.smooth": ("SIGMA_SLOTS", "REACH_SLOTS"),
    "cad.faces.stillness": (
        "FACE_PX", "CELL_PX", "BLOCK_SLOTS", "LEAST_BLOCK_SLOTS", "SETTLING_SLOTS", "LEAST_SLOTS", "LEAST_MOTION",
        "BLOCKS_A_GLITCH", "_LEAST_CONTRAST", "_AVERAGED_SLOTS",
    ),
    "cad.faces.track": ("BRIDGE_SLOTS", "LOST_SLOTS", "SAME_APPEARANCE", "_APPEARANCE_PX", "_APPEARANCE_STEP"),
    "cad.faces.tracker": ("LAG_SLOTS", "MIN_TRACK_SLOTS"),
    "cad.media.audio": ("STAMP_TOLERANCE_SECONDS",),
    "cad.media.grid": ("STAMP_ROUNDING_SECONDS", "MAX_REACH_SECONDS", "SUSPECT_LEAP_SECONDS", "_SWAPPED_PICTURES"),
    "cad.media.mixing": (
        "BLOCK_SAMPLES", "VOTES", "MIN_VOTE_SAMPLES", "SILENT_POWER", "CROSS_TALK", "CANCELLING", "GONE", "AGAINST",
        "FADE_SAMPLES", "_CHANNEL_WEIGHTS", "_OTHER_CHANNEL_WEIGHT", "_OTHER_AMBISONIC_WEIGHT",
    ),
    "cad.media.resample": ("_FILTER_SIZE", "_CUTOFF", "_KAISER_BETA"),
    "cad.media.slots": ("MIN_SAMPLES_OF_SLOT",),
    "cad.runtime.feeding": ("MIN_VIDEO_SHARE", "MIN_AUDIO_SHARE"),
    "cad.speech": (
        "FLOOR_DBFS", "BELOW_LOUD_DB", "MIN_LEVEL_RANGE_DB", "LEVEL_RANGE_SLOTS", "MAX_PAUSE_SLOTS", "MIN_BURST_SLOTS",
        "HEARD_AT_DBFS", "MIN_VOICE", "VOICE_REACH_SLOTS",
    ),
    "cad.speech_net": ("BLOCK_SAMPLES", "CONTEXT_SAMPLES", "STATE_SHAPE"),
    "cad.verdict.aggregate": ("MIN_FACE_HEIGHT_PX", "LIPS_LOGITS", "MIN_CARRIER_SHARE"),
    "cad.verdict.judge": ("STEADY_SHARE",),
    "cad.verdict.reasons": (
        "MIN_OFFSET_SECONDS", "CONSTANT_SHARE", "MAX_OFFSET_SPREAD_SECONDS", "MIN_OFFSET_WINDOWS",
    ),
    "cad.verdict.stretches": ("SHORTEST_STRETCH_SLOTS", "MAX_STRETCH_SHARE", "MIN_KNOWN_SHARE", "ROUNDING"),
    "cad.verdict.timeline": ("SMOOTHING_SLOTS",),
    "cad.verdict.validity": ("MIN_COVERAGE", "FULL_COVERAGE", "MIN_PICTURES_PER_SECOND"),
    "cad.windows": ("MAX_GAP_SLOTS",),
}  # fmt: skip


def constants() -> dict[str, dict[str, Any]]:
    """Return the constants by module and name, a private one without its underscore, as JSON can hold them.

    Example:
        >>> constants()["cad.clock"]["FRAME_RATE_HZ"]
        25
    """
    return {
        module: {name.lstrip("_"): _plain(getattr(importlib.import_module(module), name)) for name in names}
        for module, names in NAMES.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return float(str(value))  # the shortest digits that give the same float32
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def table_text() -> str:
    """Return the constants as docs/embedding.md has them."""
    lines = ["| module | constants |", "|---|---|"]
    for module, values in constants().items():
        listed = ", ".join(f"`{name}` {_told(value)}" for name, value in values.items())
        lines.append(f"| `{module}` | {listed} |")
    return "\n".join(lines) + "\n"


def _told(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else json.dumps(value).replace("[", "(").replace("]", ")")


if __name__ == "__main__":
    sys.stdout.write(table_text())
