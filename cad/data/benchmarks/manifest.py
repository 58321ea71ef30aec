# SPDX-License-Identifier: Apache-2.0
"""The one manifest of all data sets: a Parquet or CSV file with a row for each clip, read into a data frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.data.benchmarks.rows import Row, segments_text
from cad.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

ROOT_KEY = b"cad.root"
INTEGERS = ("label", "video_fake", "audio_fake")
FLOATS = ("duration_seconds", "fps")
TEXTS = tuple(f.name for f in dataclasses.fields(Row) if f.name not in INTEGERS + FLOATS)
COLUMNS = tuple(f.name for f in dataclasses.fields(Row))

#: Words for the two classes that are met in index files; 1 is fake everywhere in this project.
LABEL_WORDS = {
    "real": 0, "fake": 1, "bonafide": 0, "bona-fide": 0, "genuine": 0, "spoof": 1, "0": 0, "1": 1, "original": 0,
    "manipulated": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """Clips and where they lie.

    Attributes:
        rows: One row a clip with the columns of ``Row`` (``fake_segments`` as text), unique ``path``, index 0..n-1.
        root: Folder that paths are relative to.
        repeated_paths: Rows that were left out because their path stood there already.
    """

    rows: pd.DataFrame
    root: Path
    repeated_paths: tuple[str, ...] = ()

    def file(self, path: str) -> Path:
        """Return where the clip ``path`` lies."""
        return self.root / path

    def select(self, split: str | None) -> Manifest:
        """Return the rows of one split (all of them for None).

        Raises:
            DataError: No row is in that split; the message names those that exist.
        """
        if split is None:
            return self
        kept = self.rows[self.rows["split"] == split]
        if kept.empty:
            raise DataError(f"no row has split {split!r}; the manifest has {sorted(set(self.rows['split']))}")
        return dataclasses.replace(self, rows=kept.reset_index(drop=True))


def read_manifest(path: Path, root: Path | None = None) -> Manifest:
    """Return the manifest stored at ``path`` (``.parquet`` or anything else as CSV).

    Columns that are absent are filled with *unknown*; further columns are kept. Labels may be words.

    Args:
        path: The file.
        root: Folder that the paths are relative to; by default the one the manifest names, else its own folder.

    Raises:
        DataError: The file is missing or is no manifest.
    """
    if not path.is_file():
        raise DataError(f"there is no manifest at {path}; `python datasets/prepare.py NAME --root DIR` writes one")
    table, stored_root = _read_table(path)
    missing = {"path", "label"} - set(table.columns)
    if missing:
        raise DataError(f"{path} lacks the column(s) {sorted(missing)}; it has {list(table.columns)}")
    table = _complete(table, path)
    repeated = table["path"].duplicated()
    manifest_root = root or stored_root or path.parent
    return Manifest(table[~repeated].reset_index(drop=True), manifest_root, tuple(table["path"][repeated]))


def write_manifest(table: pd.DataFrame, path: Path, root: Path | None = None) -> None:
    """Store ``table`` (see ``frame_of``) at ``path``: ``.parquet`` with the root inside, or CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".parquet":
        table.to_csv(path, index=False)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    if root is not None:
        arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), ROOT_KEY: str(root.resolve()).encode()})
    pq.write_table(arrow, path)


def frame_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return ``rows`` as a data frame with the columns of a manifest."""
    pandas = _pandas()
    records = [{**dataclasses.asdict(row), "fake_segments": segments_text(row.fake_segments)} for row in rows]
    frame = pandas.DataFrame(records, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(INTEGERS, "int8") | dict.fromkeys(FLOATS, "float32"))


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("manifests need pandas and pyarrow: pip install 'cad-detect[train]'") from error
    return pandas


def _read_table(path: Path) -> tuple[pd.DataFrame, Path | None]:
    pandas = _pandas()
    if path.suffix != ".parquet":
        try:
            return pandas.read_csv(path, dtype=str, keep_default_na=False), None
        except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not a CSV file: {error}") from error
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    stored = (arrow.schema.metadata or {}).get(ROOT_KEY)
    return arrow.to_pandas(), Path(stored.decode()) if stored else None


def _complete(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Fill absent columns, turn words into numbers, and keep what is already right untouched (a million rows)."""
    pandas = _pandas()
    table = table.rename(columns={"duration": "duration_seconds"}) if "duration_seconds" not in table else table
    table = table.copy(deep=False)
    table["label"] = _labels(table["label"], path)
    for name in INTEGERS[1:]:
        table[name] = _numbers(table, name, -1).astype("int8")
    for name in FLOATS:
        table[name] = _numbers(table, name, -1.0).astype("float32")
    for name in TEXTS:
        if name not in table:
            table[name] = "real" if name == "method" else ""
        elif pandas.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].astype(str)
        else:
            table[name] = table[name].fillna("")
    return table


def _numbers(table: pd.DataFrame, name: str, absent: float) -> pd.Series:
    pandas = _pandas()
    if name not in table:
        return pandas.Series(absent, index=table.index)
    return pandas.to_numeric(table[name], errors="coerce").fillna(absent)


def _labels(values: pd.Series, path: Path) -> pd.Series:
    pandas = _pandas()
    numbers = values if pandas.api.types.is_numeric_dtype(values) else values.str.strip().str.lower().map(LABEL_WORDS)
    bad = ~numbers.isin((0, 1))
    if bad.any():
        examples = sorted(set(values[bad].astype(str)))[:5]
        raise DataError(
            f"{path}: {int(bad.sum())} rows have a label that is neither real nor fake, such as {examples}; "
            f"accepted are {sorted(LABEL_WORDS)}"
        )
    return numbers.astype("int8")
