# SPDX-License-Identifier: Apache-2.0
"""Options and specs take numbers that are numbers: what is NaN, infinite or of another type is refused by its name."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from cad import DetectOptions, OperatingPoint
from cad.errors import OptionError
from cad.media.limits import MediaLimits
from cad.spec import Calibration

LIMITS = {field.name: field.type for field in dataclasses.fields(MediaLimits)}
NEVER = [math.nan, math.inf, -math.inf, None, "60", True, [60], np.float32(60), 1 << 80]


@pytest.mark.parametrize("value", NEVER, ids=repr)
@pytest.mark.parametrize("name", [name for name, kind in LIMITS.items() if kind == "float"])
def test_a_limit_is_a_finite_number(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=rf"MediaLimits\.{name} must be a finite number, got "):
        MediaLimits(**{name: value})


@pytest.mark.parametrize("value", [value for value in NEVER if value != 1 << 80] + [60.0], ids=repr)
@pytest.mark.parametrize("name", [name for name, kind in LIMITS.items() if kind == "int"])
def test_a_limit_that_counts_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=rf"MediaLimits\.{name} must be a whole number, got "):
        MediaLimits(**{name: value})


def test_every_limit_is_one_or_the_other_and_whole_seconds_will_do() -> None:
    assert set(LIMITS.values()) == {"int", "float"}
    assert MediaLimits(wall_seconds=20).wall_seconds == 20


@pytest.mark.parametrize(
    ("record", "choices"),
    [
        (DetectOptions, {"threads": 1.5}),
        (DetectOptions, {"threads": True}),
        (DetectOptions, {"model": 3}),
        (DetectOptions, {"keep_pictures": "no"}),
        (DetectOptions, {"providers": "CPUExecutionProvider"}),
        (DetectOptions, {"video_tracks": [1]}),
        (DetectOptions, {"audio_tracks": (1.0,)}),
        (DetectOptions, {"limits": 5}),
        (DetectOptions, {"operating_point": 0.5}),
        (OperatingPoint, {"fake_threshold": math.nan}),
        (OperatingPoint, {"real_threshold": "0.5"}),
        (OperatingPoint, {"chosen_false_positive_rate": math.inf}),
        (OperatingPoint, {"chosen_on": None}),
        (Calibration, {"scale": math.inf}),
        (Calibration, {"bias": math.nan}),
        (Calibration, {"growth": None}),
    ],
    ids=str,
)
def test_an_option_of_another_type_is_named(record: type, choices: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=rf"{record.__name__}\.{next(iter(choices))} must be .+, got "):
        record(**choices)


@pytest.mark.parametrize("point", [(1.5, 0.5), (0.5, -0.1), (0.4, 0.6)])
def test_thresholds_lie_in_order_between_0_and_1(point: tuple[float, float]) -> None:
    with pytest.raises(OptionError, match="lie in"):
        OperatingPoint(*point)
