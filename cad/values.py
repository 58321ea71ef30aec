# SPDX-License-Identifier: Apache-2.0
"""Lets the public records compare, hash and print as values although some hold arrays and mappings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

#: Longer reprs are cut, so that one fits a line.
MAX_REPR_CHARACTERS = 110


class ValueRecord:
    """Base of a frozen dataclass made with ``eq=False, repr=False``: its value is that of all its fields.

    NaN equals NaN. Arrays are equal if type, shape and every element are; mappings if they hold the same items.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, slots=True, eq=False, repr=False)
        ... class Sound(ValueRecord):
        ...     name: str
        ...     samples: np.ndarray
        >>> Sound("a", np.zeros(3)) == Sound("a", np.zeros(3)), len({Sound("a", np.zeros(3)), Sound("a", np.ones(3))})
        (True, 2)
        >>> Sound("a", np.zeros((16000, 2), np.float32))
        Sound(name='a', samples=float32[16000, 2])
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _value_of(self) == _value_of(other)

    def __hash__(self) -> int:
        return hash(_value_of(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{field.name}={_shown(getattr(self, field.name))}" for field in fields(self))  # type: ignore[arg-type]
        text = f"{type(self).__name__}({shown})"
        return text if len(text) <= MAX_REPR_CHARACTERS else f"{text[: MAX_REPR_CHARACTERS - 2]}…)"


def _value_of(value: Any) -> Any:
    """Return something hashable that stands for ``value``."""
    if isinstance(value, ValueRecord):
        return tuple(_value_of(getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return frozenset((key, _value_of(one)) for key, one in value.items())
    if isinstance(value, tuple | list):
        return tuple(_value_of(one) for one in value)
    if isinstance(value, float) and math.isnan(value):
        return math.nan  # always the same one, which equals itself inside a tuple
    return value


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, tuple | list) and len(value) > 3:
        return f"({len(value)} x {type(value[0]).__name__})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    return repr(value)
