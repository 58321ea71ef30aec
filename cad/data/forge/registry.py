# SPDX-License-Identifier: Apache-2.0
"""The registry of forgers by name; each kind's file registers itself when it is imported."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from cad.data.forge.records import Forger, Maker, Need, Stream
from cad.errors import OptionError

_FORGERS: dict[str, Forger] = {}


def register(name: str, needs: Iterable[Need], sets: Iterable[Stream]) -> Callable[[Maker], Maker]:
    """Return a decorator that puts a function into the registry as the kind ``name``.

    Raises:
        OptionError: The name is taken.
    """

    def add(make: Maker) -> Maker:
        if name in _FORGERS:
            raise OptionError(f"a forger named {name!r} exists already")
        _FORGERS[name] = Forger(name, frozenset(needs), frozenset(sets), make)
        return make

    return add


def forger_names() -> tuple[str, ...]:
    """Return the registered kinds, sorted."""
    return tuple(sorted(_FORGERS))


def get_forger(name: str) -> Forger:
    """Return the kind ``name``.

    Raises:
        OptionError: There is none of that name; the message lists those that exist, the nearest first.
    """
    if name not in _FORGERS:
        near = difflib.get_close_matches(name, _FORGERS, n=3, cutoff=0.0)
        rest = [other for other in forger_names() if other not in near]
        raise OptionError(f"no forger named {name!r}; there are: {', '.join([*near, *rest])}")
    return _FORGERS[name]
