# SPDX-License-Identifier: Apache-2.0
"""Chooses the rows of a manifest that are genuine, and reads what its columns state of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cad.data.manifest import Manifest, raise_problems, read_manifest
from cad.errors import DataError
from cad.evaluation.fairness.properties import USUAL_COLUMNS
from cad.evaluation.row_filters import RowFilter, filtered

#: A column that says 0 where a picture shows no face; without it every picture is taken to show one.
FACE_COLUMN = "has_face"


def genuine_rows(path: Path, root: Path | None, split: str | None, where: Sequence[str] = ()) -> Manifest:
    """Return the genuine rows of a manifest.

    Args:
        path: Of the manifest.
        root: Folder that its paths are relative to; None as for ``read_manifest``.
        split: Only rows of this split; None takes all.
        where: Further conditions, as ``RowFilter.of`` reads them.

    Raises:
        DataError: The manifest cannot be used, none of its rows is left or genuine, or a file is missing.
        OptionError: A condition has no form.
    """
    whole = read_manifest(path, root).select(split)
    chosen = filtered({path.stem: whole}, [RowFilter.of(text) for text in where])[path.stem]
    genuine = chosen.where(chosen.rows["label"] == 0)
    if genuine.rows.empty:
        raise DataError(f"{path}: none of the {len(chosen.rows)} rows is genuine")
    missing = [one for one in genuine.rows["path"] if not genuine.file(one).is_file()]
    raise_problems(str(path), {f"no such file under {genuine.root}": missing})
    return genuine


def rows_without_face(manifest: Manifest) -> set[str]:
    """Return the paths of which FACE_COLUMN says that they show no face.

    Raises:
        DataError: It says something else than 1, 0 or nothing.
    """
    if FACE_COLUMN not in manifest.rows:
        return set()
    stated = _stated(manifest, FACE_COLUMN)
    wrong = [f"{path} ({value})" for path, value in stated.items() if value not in ("1", "0", "")]
    raise_problems("the manifest", {f"{FACE_COLUMN} is not 1, 0 or empty": wrong})
    return {path for path, value in stated.items() if value == "0"}


def stated_columns(manifest: Manifest, asked: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return by column what it states of each path: of USUAL_COLUMNS those that state anything, and what is asked for.

    Raises:
        DataError: There is no such column.
    """
    there = [str(name) for name in manifest.rows]
    if unknown := [name for name in asked if name not in there]:
        raise DataError(f"the manifest has no column {', '.join(unknown)}; there are {', '.join(there)}")
    names = dict.fromkeys([*(name for name in USUAL_COLUMNS if name in there), *asked])
    found = {name: _stated(manifest, name) for name in names}
    return {name: stated for name, stated in found.items() if name in asked or any(stated.values())}


def _stated(manifest: Manifest, column: str) -> dict[str, str]:
    """Return a column as text by path, empty where nothing is stated."""
    values = manifest.rows[column]
    texts = values.astype(object).where(values.notna(), "").astype(str).str.strip()
    return dict(zip(manifest.rows["path"].tolist(), texts.tolist(), strict=True))
