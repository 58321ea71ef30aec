# SPDX-License-Identifier: Apache-2.0
"""Chooses rows by the columns of a manifest for ``--where``: one compression level, one method, one language."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cad.data.manifest import Manifest
from cad.errors import DataError, OptionError

#: Values of a column that a message names.
VALUES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of which manifest are kept.

    Attributes:
        manifest: Name of the manifest that it is for; empty for all.
        column: Of the manifest.
        values: That the column must have one of, as text.
        is_excluding: Whether these values are left out instead.
    """

    manifest: str
    column: str
    values: tuple[str, ...]
    is_excluding: bool = False

    @classmethod
    def of(cls, text: str, manifests: Sequence[str] = ()) -> RowFilter:
        """Return the filter that ``[MANIFEST:]COLUMN=VALUE[,VALUE ...]`` states; ``!=`` leaves the values out.

        Args:
            text: As on the command line.
            manifests: Names that may stand in front.

        Raises:
            OptionError: It has no such form.

        Example:
            >>> RowFilter.of("method=Deepfakes,real")
            RowFilter(manifest='', column='method', values=('Deepfakes', 'real'), is_excluding=False)
        """
        left, sign, right = text.partition("=")
        values = tuple(value.strip() for value in right.split(","))
        manifest, _, column = left.rpartition(":")
        column, is_excluding = column.removesuffix("!").strip(), column.endswith("!")
        if not (sign and column) or (manifest and manifest not in manifests):
            known = f"; manifests are {', '.join(manifests)}" if manifest else ""
            raise OptionError(f"--where {text!r} must be COLUMN=VALUE,VALUE or MANIFEST:COLUMN=VALUE{known}")
        return cls(manifest, column, values, is_excluding)

    def apply(self, manifest: Manifest, name: str) -> Manifest:
        """Return the rows of the manifest called ``name`` that are kept.

        Raises:
            DataError: There is no such column, a value has no row, or no row is left; the message names what exists.
        """
        if self.manifest not in ("", name):
            return manifest
        rows = manifest.rows
        if self.column not in rows:
            near = difflib.get_close_matches(self.column, [str(column) for column in rows], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise DataError(f"{name} has no column {self.column!r}; {hint}there are {', '.join(map(str, rows))}")
        column = rows[self.column].astype(str)
        counts = column.value_counts()
        if unknown := [value for value in self.values if value not in counts]:
            shown = [value or "(empty)" for value in counts.index[:VALUES_SHOWN]]
            more = f" and {len(counts) - VALUES_SHOWN} more" if len(counts) > VALUES_SHOWN else ""
            wanted, there = ", ".join(map(repr, unknown)), ", ".join(shown)
            raise DataError(f"{name} has no row with {self.column} {wanted}; it has {there}{more}")
        chosen = manifest.where(column.isin(self.values) != self.is_excluding)
        if chosen.rows.empty:
            raise DataError(f"no row of {name} is left where {self}")
        return chosen

    def __str__(self) -> str:
        manifest = f"{self.manifest}:" if self.manifest else ""
        return f"{manifest}{self.column}{'!=' if self.is_excluding else '='}{','.join(self.values)}"


def filtered(manifests: Mapping[str, Manifest], filters: Sequence[RowFilter]) -> dict[str, Manifest]:
    """Return the manifests with the rows that every filter keeps.

    Raises:
        DataError: As for ``RowFilter.apply``.
    """
    found = dict(manifests)
    for one in filters:
        found = {name: one.apply(manifest, name) for name, manifest in found.items()}
    return found
