# SPDX-License-Identifier: Apache-2.0
"""``with_lists`` lets several files follow one option of the command line: ``--data.manifest a.parquet b.csv``."""

from __future__ import annotations

import json
from collections.abc import Sequence

LISTS = ("--data.manifest", "--data.test_manifest", "--data.shards")


def with_lists(words: Sequence[str]) -> list[str]:
    """Return ``words`` with what follows one of ``LISTS``, up to the next option, as one list.

    Example:
        >>> with_lists(["fit", "--data.manifest", "a.csv", "b.csv", "--data.batches", "9"])
        ['fit', '--data.manifest=["a.csv", "b.csv"]', '--data.batches', '9']
    """
    joined: list[str] = []
    left = list(words)
    while left:
        option, equals, first = left.pop(0).partition("=")
        if option not in LISTS or first.startswith("["):
            joined.append(option + equals + first)
            continue
        values = [first] if equals else []
        while left and not left[0].startswith("-"):
            values.append(left.pop(0))
        joined.append(f"{option}={json.dumps(values)}" if not values or not values[0].startswith("[") else
                      f"{option}={values[0]}")  # fmt: skip
    return joined
