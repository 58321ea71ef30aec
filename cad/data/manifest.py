# SPDX-License-Identifier: Apache-2.0
"""The manifest for training, evaluation and the makers of shards: one reader, one kind of row, one rule on leaks.

A manifest is a CSV or Parquet file with a row for each clip and the columns of ``Row``; only path and label are
needed, further columns are kept. Labels are 1, 0 or words (``LABEL_WORDS``). pandas and pyarrow come with the extra
``train``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    from cad.data.shards import ClipEntry

UNKNOWN = -1
#: Words for the two classes in index files; 1 is fake everywhere in this project.
LABEL_WORDS = {
    "real": 0, "fake": 1, "bonafide": 0, "bona-fide": 0, "genuine": 0, "spoof": 1, "0": 0, "1": 1, "original": 0,
    "manipulated": 1,
}  # fmt: skip
#: Identities, in lower case, that mean nobody in particular: they leak nothing, and each row stands for itself.
UNNAMED = frozenset({"", "-", "nan", "unknown"})
#: Kinds of problem that a message names, and rows of each; it counts the others.
KINDS_SHOWN, ROWS_SHOWN = 10, 5
#: Of a value or path in a message.
CHARACTERS_SHOWN = 80
#: A larger file is refused; a million clips take some 300 MB.
MAX_BYTES = 4 << 30
#: Characters that end or rewrite a line where a name is shown.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"

_ROOT_KEY = b"cad.root"


@dataclass(frozen=True, slots=True)
class Row:
    """One clip and what is known of it.

    Attributes:
        path: Relative to the manifest's root, with forward slashes; the clip's key.
        label: 1 fake, 0 real.
        video_fake: 1 fake, 0 genuine, -1 unknown or absent.
        audio_fake: Likewise.
        method: Name of the forgery; ``real`` for genuine clips.
        category: The data set's own coarse class, or empty.
        identity: Whom the clip belongs to when splitting and resampling; see ``UNNAMED``.
        source_identity: Whose face or voice was put in, where the set says so.
        pair_id: Same id = same event or speaker, genuine and forged alike.
        source: Page, corpus or folder that it comes from.
        dataset: Name of the data set.
        language: Where known.
        fake_segments: Forged [start, stop) in seconds; empty where the set is not temporal.
        video_fake_segments: Those of the picture, where the set tells the streams apart.
        audio_fake_segments: Those of the sound, likewise.
        split: ``train``, ``val``, ``test``, another name or empty.
        duration_seconds: As the set declares it; -1 where it does not.
        fps: As the set declares it; -1 where it does not.
        sha256: Of the file, or empty until it is computed.
        note: One line for a person.
    """

    path: str
    label: int
    video_fake: int = UNKNOWN
    audio_fake: int = UNKNOWN
    method: str = "real"
    category: str = ""
    identity: str = ""
    source_identity: str = ""
    pair_id: str = ""
    source: str = ""
    dataset: str = ""
    language: str = ""
    fake_segments: tuple[tuple[float, float], ...] = ()
    video_fake_segments: tuple[tuple[float, float], ...] = ()
    audio_fake_segments: tuple[tuple[float, float], ...] = ()
    split: str = ""
    duration_seconds: float = -1.0
    fps: float = -1.0
    sha256: str = ""
    note: str = ""

    @property
    def is_fake(self) -> bool:
        """Whether the label is fake."""
        return self.label == 1

    @property
    def key(self) -> str:
        """The clip's key: its path."""
        return self.path

    @property
    def person(self) -> str:
        """Who must not be in two splits (the rule of ``shared_identities``); empty for nobody in particular."""
        counts = _counts_by_person(self.label, self.video_fake, self.audio_fake)
        return self.identity if counts and not is_unnamed(self.identity) else ""

    def as_text(self) -> dict[str, str]:
        """Return the columns as text, as a shard carries them."""
        return {
            name: segments_text(getattr(self, name)) if name in _SEGMENTS else str(getattr(self, name))
            for name in COLUMNS
        }


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
_SEGMENTS = tuple(name for name in COLUMNS if name.endswith("_segments"))
#: Columns that hold numbers: how they are kept, which values are accepted (None for all), and that in words.
_FLAG, _NUMBER = ("int8", (1, 0, UNKNOWN), "1, 0, -1"), ("float32", None, "a number")
_NUMBERS: dict[str, tuple[str, tuple[int, ...] | None, str]] = {
    "label": ("int8", (0, 1), f"1, 0, {', '.join(word for word in LABEL_WORDS if not word.isdigit())}"),
    "video_fake": _FLAG,
    "audio_fake": _FLAG,
    "duration_seconds": _NUMBER,
    "fps": _NUMBER,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in one row or file: a stable ``kind``, the path and one line for a person."""

    kind: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Clips and where they lie.

    Attributes:
        rows: One row a clip with the columns of ``Row`` (segments as text), unique ``path``, index 0..n-1.
        root: Folder that paths are relative to.
        repeated_paths: Rows that were left out because their path stood there already.
    """

    rows: pd.DataFrame
    root: Path
    repeated_paths: tuple[str, ...] = ()

    def file(self, path: str) -> Path:
        """Return where the clip ``path`` lies."""
        return self.root / path

    def where(self, mask: Any) -> Manifest:
        """Return the rows for which ``mask`` (bool, one a row) holds."""
        return dataclasses.replace(self, rows=self.rows[mask].reset_index(drop=True))

    def select(self, split: str | None) -> Manifest:
        """Return the rows of one split (all of them for None).

        Raises:
            DataError: No row is in that split; the message names those that exist.
        """
        if split is None:
            return self
        chosen = self.where(self.rows["split"] == split)
        if chosen.rows.empty:
            raise DataError(f"no row has split {split!r}; the manifest has {sorted(set(self.rows['split']))}")
        return chosen

    def in_splits(self, splits: Collection[str]) -> tuple[Manifest, dict[str, int]]:
        """Return the rows of these splits, and how many rows each other split has."""
        inside = self.rows["split"].isin(splits)
        return self.where(inside), self.rows["split"][~inside].value_counts().to_dict()

    def records(self) -> list[Row]:
        """Return the rows as records, in order.

        Raises:
            DataError: Segments are no list of pairs.
        """
        columns = {name: self.rows[name].tolist() for name in COLUMNS}
        for name in _SEGMENTS:
            columns[name] = [parse_segments(text) for text in columns[name]]
        return [Row(*values) for values in zip(*columns.values(), strict=True)]


def read_manifest(
    path: str | Path, root: str | Path | None = None, needed: Sequence[str] = ("path", "label")
) -> Manifest:
    """Return the manifest stored at ``path`` (``.parquet``, or anything else as CSV), in file order.

    Absent columns and empty values are *unknown*.

    Args:
        path: The file.
        root: Folder that the paths are relative to; by default the one that the manifest names, else its own folder.
        needed: Columns that it cannot do without.

    Raises:
        DataError: The file is missing, larger than MAX_BYTES, is no table, lacks a column, or has rows without a path,
            with control characters, or with a label, flag, duration or rate that is none; the message names the rows,
            counted from 1 below the header.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no manifest at {path}; `python datasets/prepare.py NAME --root DIR` writes one")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise DataError(f"{path} has {size} bytes; the limit is {MAX_BYTES}: split the manifest")
    table, stored_root = _read_table(path)
    return _manifest_of(table, str(path), Path(root) if root else stored_root or path.parent, needed)


def manifest_of_clips(clips: Iterable[ClipEntry], where: str) -> Manifest:
    """Return what clips of shards carry of their manifest; ``where`` names them in messages.

    Raises:
        DataError: As for ``read_manifest``.
    """
    table = _pandas().DataFrame([{**clip.row, "path": clip.key} for clip in clips])
    return _manifest_of(table, where, Path(), ("path", "label"))


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
        arrow = arrow.replace_schema_metadata(
            {**(arrow.schema.metadata or {}), _ROOT_KEY: str(root.resolve()).encode()}
        )
    pq.write_table(arrow, path)


def frame_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return ``rows`` as a data frame with the columns of a manifest."""
    frame = _pandas().DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))
    for name in _SEGMENTS:
        frame[name] = [segments_text(segments) for segments in frame[name]]
    return frame.astype({name: kind for name, (kind, *_) in _NUMBERS.items()})


def is_unnamed(identity: object) -> bool:
    """Return whether an identity means nobody in particular.

    Example:
        >>> is_unnamed("Unknown"), is_unnamed("ann")
        (True, False)
    """
    return str(identity).strip().lower() in UNNAMED


def shared_identities(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return who is in several splits, with the path of one row in each: such a person is a leak.

    Genuine rows and rows with a face count by person. Forged speech alone is commonly split by system instead, and
    the voice that was cloned may be anyone's; rows without a split count nowhere.
    """
    by_person = _counts_by_person(rows["label"], rows["video_fake"], rows["audio_fake"])
    return shared_values(rows[by_person], "identity")


def shared_values(rows: pd.DataFrame, column: str) -> dict[str, dict[str, str]]:
    """Return the values of ``column``, other than ``UNNAMED`` ones, in several splits, with a path in each."""
    known = rows.loc[rows["split"] != "", [column, "split", "path"]].drop_duplicates([column, "split"])
    sides: dict[str, dict[str, str]] = defaultdict(dict)
    for value, split, path in known.itertuples(index=False):
        sides[value][split] = path
    return {value: found for value, found in sides.items() if len(found) > 1 and not is_unnamed(value)}


def _counts_by_person(label: Any, video_fake: Any, audio_fake: Any) -> Any:
    return (label == 0) | (video_fake != UNKNOWN) | (audio_fake != 1)


def segments_text(segments: Sequence[Sequence[float]]) -> str:
    """Return ``segments`` as they stand in a manifest.

    Example:
        >>> segments_text([(0.5, 1.25)])
        '[[0.5, 1.25]]'
        >>> segments_text([])
        ''
    """
    return json.dumps(segments_of(segments)) if segments else ""


def segments_of(pairs: Iterable[Sequence[float]] | None) -> tuple[tuple[float, float], ...]:
    """Return [start, stop) pairs in seconds, as an index holds them, for a ``Row``.

    Raises:
        ValueError: An item is no pair of finite numbers.
        TypeError: Likewise.
    """
    found = tuple((float(start), float(stop)) for start, stop in pairs or ())
    if not all(map(math.isfinite, (value for pair in found for value in pair))):
        raise ValueError("a segment must start and stop at finite seconds")
    return found


def parse_segments(text: str) -> tuple[tuple[float, float], ...]:
    """Return the segments that ``segments_text`` wrote.

    Raises:
        DataError: The text is not a list of [start, stop] pairs.

    Example:
        >>> parse_segments("[[0.5, 1.25]]")
        ((0.5, 1.25),)
    """
    try:
        return segments_of(json.loads(text) if text else ())
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"segments must be a JSON list of [start, stop] pairs, got '{_shown(text)}'") from error


def raise_problems(where: str, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise one error that lists every kind of problem with its rows; do nothing where there is none.

    Raises:
        DataError: There is a problem.
    """
    lines = []
    for problem, rows in problems.items():
        if rows:
            more = f" and {len(rows) - ROWS_SHOWN} more" if len(rows) > ROWS_SHOWN else ""
            lines.append(f"  {problem}: {', '.join(rows[:ROWS_SHOWN])}{more}")
    if len(lines) > KINDS_SHOWN:
        lines[KINDS_SHOWN:] = [f"  and {len(lines) - KINDS_SHOWN} more kinds of problem"]
    if lines:
        raise DataError("\n".join([f"{where} cannot be used:", *lines]))


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
            table = pandas.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (ValueError, OSError) as error:
            raise DataError(f"{path} is not a CSV file: {error}") from error
        if not isinstance(table.index, pandas.RangeIndex):
            raise DataError(f"{path} is not a CSV file: row 1 has more fields than the header")
        return table, None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = pq.read_table(path)
        arrow.validate(full=True)
        stored = (arrow.schema.metadata or {}).get(_ROOT_KEY)
        return arrow.to_pandas(), Path(stored.decode()) if stored else None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error


def _manifest_of(table: pd.DataFrame, where: str, root: Path, needed: Sequence[str]) -> Manifest:
    """Fill absent columns, turn words into numbers, and keep what is already right untouched (a million rows)."""
    if missing := [name for name in needed if name not in table]:
        raise DataError(f"{where}: no column {', '.join(missing)}; needed are {', '.join(needed)}")
    table = table.reset_index(drop=True)
    if "duration" in table and "duration_seconds" not in table:
        table = table.rename(columns={"duration": "duration_seconds"})
    for name in COLUMNS:
        if name not in _NUMBERS:
            table[name] = _texts(table[name]) if name in table else ("real" if name == "method" else "")
    problems: dict[str, list[str]] = defaultdict(list)
    _note(problems, "no path", table[table["path"] == ""], "path")
    for name in COLUMNS:
        if name not in _NUMBERS:
            _note(problems, f"control characters in {name}", table[table[name].str.contains(_CONTROL)], name)
    for name, (kind, accepted, words) in _NUMBERS.items():
        if name not in table:
            table[name] = UNKNOWN
        values = _numbers(table[name], name)
        bad = ~values.isin(accepted) if accepted else values.isna()
        _note(problems, f"{name} '{{}}' (accepted: {words})", table[bad], name)
        table[name] = values.mask(bad, UNKNOWN).astype(kind)
    raise_problems(where, problems)
    repeated = table["path"].duplicated()
    return Manifest(table[~repeated].reset_index(drop=True), root, tuple(table["path"][repeated]))


def _note(problems: dict[str, list[str]], text: str, rows: pd.DataFrame, column: str) -> None:
    """Add ``rows`` by number and path to the problem ``text``, which names their value of ``column``."""
    for number, path, value in zip(rows.index, rows["path"], rows[column], strict=True):
        problems[text.format(_shown(value))].append(f"row {number + 1} ({_shown(path) or 'no path'})")


def _shown(value: object) -> str:
    """Return a value for a message: in one line, and not much of a long one."""
    text = str(value)
    text = text if len(text) <= CHARACTERS_SHOWN else f"{text[:CHARACTERS_SHOWN]}…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _texts(values: pd.Series) -> pd.Series:
    """Return text, empty where there is nothing."""
    return values.fillna("") if values.dtype == "str" else values.astype(object).where(values.notna(), "").astype(str)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    """Return numbers, unknown for an empty flag and NaN for what is no number."""
    pandas = _pandas()
    if name == "label":
        numeric = pandas.api.types.is_numeric_dtype(values)
        return values if numeric else _texts(values).str.strip().str.lower().map(LABEL_WORDS)
    numbers = pandas.to_numeric(values, errors="coerce").mask(values.isna() | (values == ""), UNKNOWN)
    return numbers.mask(numbers.isin([math.inf, -math.inf]))
