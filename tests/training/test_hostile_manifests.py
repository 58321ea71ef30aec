# SPDX-License-Identifier: Apache-2.0
"""Manifests that somebody made to mislead or to harm: one DataError that names the row, in words safe to show."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cad.data.manifest as manifest
from cad.data.manifest import parse_segments, read_manifest
from cad.errors import DataError

BAD_TEXTS: dict[str, tuple[bytes, str]] = {
    "NUL": (b"path,label\na\0b.mp4,1\n", r"control characters in path: row 1 \(a\\x00b.mp4\)"),
    "new line": (b'path,label\n"a\nreal.mp4",1\n', r"control characters in path: row 1 \(a\\nreal.mp4\)"),
    "escape": (b"path,label,identity\na,1,\x1b[2J\n", r"control characters in identity: row 1 \(a\)"),
    "infinite": (b"path,label,duration_seconds\na,1,inf\n", r"duration_seconds 'inf' \(accepted: a number\): row 1"),
    "too large": (b"path,label,fps\na,1,1e999\n", r"fps '1e999' \(accepted: a number\): row 1"),
    "long": (b"path,label\na," + b"9" * 100_000 + b"\n", "label '999"),
    "not UTF-8": (b"path,label\n\xff,1\n", "not a CSV file"),
    "open quote": (b'path,label\n"a,1\n', "not a CSV file"),
    "zeros": (bytes(1000), "no column path"),
    "empty": (b"", "not a CSV file"),
}


@pytest.mark.parametrize(("content", "words"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_csv_file_that_is_none_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_manifest(path)
    assert all(line.isprintable() for line in str(caught.value).splitlines()) and len(str(caught.value)) < 1000


BAD_TABLES: dict[str, tuple[pa.Table, str]] = {
    "not UTF-8": (pa.table({"path": pa.array([b"\xff"]).cast(pa.string(), safe=False), "label": [1]}), "not a Parquet"),
    "root": (pa.table({"path": ["a"], "label": [1]}, metadata={b"cad.root": b"\xff"}), "not a Parquet"),
    "labels in lists": (pa.table({"path": ["a"], "label": [[1]]}), r"label '\[1\]'"),
    "numbers in lists": (pa.table({"path": ["a"], "label": [1], "fps": [[1.0]]}), r"fps '\[1\.\]'"),
    "infinite": (pa.table({"path": ["a"], "label": [1], "fps": [float("inf")]}), "fps 'inf'"),
    "new line": (pa.table({"path": ["a\nb"], "label": [1]}), "control characters in path"),
}


@pytest.mark.parametrize(("table", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_parquet_file_of_wrong_types_is_named(tmp_path: Path, table: pa.Table, words: str) -> None:
    path = tmp_path / "manifest.parquet"
    pq.write_table(table, path)
    with pytest.raises(DataError, match=words):
        read_manifest(path)


@pytest.mark.parametrize("content", [b"", b"PAR1" + b"\xff" * 99 + b"PAR1"])
def test_a_parquet_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a Parquet file"):
        read_manifest(path)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[[NaN, 1]]", "[[0, 1e999]]", "[[0, 1" + "0" * 400 + "]]", "{}x", "[[1]]"]
)
def test_segments_are_finite_pairs(text: str) -> None:
    with pytest.raises(DataError, match="segments must be") as caught:
        parse_segments(text)
    assert len(str(caught.value)) < 300


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with path.open("wb") as file:
        file.truncate(manifest.MAX_BYTES + 1)
    with pytest.raises(DataError, match="the limit is"):
        read_manifest(path)
