# SPDX-License-Identifier: Apache-2.0
"""parse_object reads JSON that somebody may have written to mislead: what it returns is bounded and printable."""

from __future__ import annotations

import json
import math
from typing import Any

#: Objects and lists inside one another.
MAX_DEPTH = 32
_MOST, _LEAST = 2**63 - 1, -(2**63)


def parse_object(content: str | bytes) -> dict[str, Any]:
    """Return a JSON object.

    Args:
        content: UTF-8 if it is bytes.

    Raises:
        ValueError: It is no JSON object, has a key twice, is nested more than MAX_DEPTH deep, or has a number that is
            not finite or not of 64 bits, or a text with control characters. The message is one line and names the key.

    Example:
        >>> parse_object('{"a": [1, 2.5, true, "x"]}')
        {'a': [1, 2.5, True, 'x']}
        >>> parse_object('{"a": {"b": NaN}}')
        Traceback (most recent call last):
        ValueError: a.b is nan; numbers must be finite
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(text, object_pairs_hook=_without_repeats)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from error
    if not isinstance(value, dict):
        raise ValueError(f"it is {_kind(value)}, not an object")
    waiting: list[tuple[str, Any, int]] = [("", value, 1)]
    while waiting:
        name, one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(one, dict):
            for key in one:
                _check_text("the key", key)
            prefix = f"{name}." if name else ""
            waiting += [(f"{prefix}{key}", inner, depth + 1) for key, inner in one.items()]
        elif isinstance(one, list):
            waiting += [(name, inner, depth + 1) for inner in one]
        else:
            _check_plain(name, one)
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:50]!r} stands there twice")
        found[key] = value
    return found


def _check_plain(name: str, value: Any) -> None:
    if isinstance(value, str):
        _check_text(name, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}; numbers must be finite")
    elif isinstance(value, int) and not _LEAST <= value <= _MOST:
        raise ValueError(f"{name} has more than 64 bits")


def _check_text(name: str, text: str) -> None:
    if not text.isprintable():
        raise ValueError(f"{name} has control or other unprintable characters: {text[:50]!r}")


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "nothing" if value is None else f"a {type(value).__name__}"
