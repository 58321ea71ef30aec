# SPDX-License-Identifier: Apache-2.0
"""check_fields holds the values of a record against the types that its class states, which Python itself does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from cad.errors import OptionError


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return abs(value) < 2**63 if _is_whole(value) else isinstance(value, float) and math.isfinite(value)


def _is_a(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _is_tuple_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


#: By annotation as it is written, without ``| None``: the test, and what is accepted in words. Others are not checked.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_whole, "a whole number"),
    "float": (_is_finite, "a finite number"),
    "bool": (_is_a(bool), "True or False"),
    "str": (_is_a(str), "text"),
    "tuple[str, ...]": (_is_tuple_of(_is_a(str)), "a tuple of texts"),
    "tuple[int, ...]": (_is_tuple_of(_is_whole), "a tuple of whole numbers"),
}


def check_fields(record: Any) -> None:
    """Check a dataclass whose module has ``from __future__ import annotations``.

    Raises:
        OptionError: A field has a value of another type, or a number that is NaN or infinite; the message names it.
    """
    for field in fields(record):
        annotation = str(field.type).removesuffix(" | None")
        value, may_be_none = getattr(record, field.name), annotation != field.type
        fits, accepted = _CHECKS.get(annotation, (lambda value: True, ""))
        if not (fits(value) or (value is None and may_be_none)):
            none = " or None" if may_be_none else ""
            raise OptionError(f"{type(record).__name__}.{field.name} must be {accepted}{none}, got {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
