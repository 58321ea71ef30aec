# SPDX-License-Identifier: Apache-2.0
"""The part of a protocol, for the runner: rows that are scored together, and how the file of a row is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cad.errors import CadError, DataError

if TYPE_CHECKING:
    import pandas as pd


#: Writes the file that is scored for a path to ``target=`` plus a suffix and returns where it lies.
Make = Callable[..., Path]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are scored together.

    Attributes:
        name: In tables and file names.
        rows: With the columns of a manifest.
        root: Folder that their paths are relative to.
        makes: How a row's file is made, by path; a path that is not here is scored as it lies on disk.
        left_out: Rows that could not take part, with the reason, counted.
    """

    name: str
    rows: pd.DataFrame
    root: Path
    makes: Mapping[str, Make] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @contextmanager
    def file_of(self, path: str, folder: Path) -> Iterator[Path]:
        """Give the file that is scored for ``path``, made in ``folder`` and removed afterwards if it must be made.

        Raises:
            DataError: It cannot be made.
        """
        if path not in self.makes:
            yield self.root / path
            return
        try:
            made = self.makes[path](target=folder / "clip")
        except (CadError, OSError) as error:
            raise DataError(f"not_made: {error}") from error
        try:
            yield made
        finally:
            made.unlink(missing_ok=True)


def slug(name: str) -> str:
    """Return ``name`` as part of a file name.

    Example:
        >>> slug("shift +0.40 s"), slug("shift -0.40 s")
        ('shift_plus0.40_s', 'shift_minus0.40_s')
    """
    signed = name.replace("+", "plus").replace(" -", " minus")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", signed).strip("_")
