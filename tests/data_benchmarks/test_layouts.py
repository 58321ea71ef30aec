# SPDX-License-Identifier: Apache-2.0
"""Every layout of every set through the real ``prepare``: as it is published, and as it lies on real disks."""

from __future__ import annotations

import csv
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from layouts import every_layout
from layouts.layout import Layout, touch

from cad.data.benchmarks.registry import ADAPTERS
from cad.data.manifest import Row, read_manifest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "datasets"))

import prepare  # noqa: E402

LAYOUTS = every_layout()
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.adapter}-{layout.name}")


@dataclass(frozen=True)
class Prepared:
    """What a run of ``prepare`` left: its exit code, the rows by path, the problems as (kind, path)."""

    code: int
    rows: dict[str, Row]
    problems: tuple[tuple[str, str], ...]
    stderr: str

    @property
    def kinds(self) -> Counter[str]:
        return Counter(kind for kind, _ in self.problems)


@pytest.fixture
def run(tmp_path, capsys):
    """Returns a function that prepares the tree at a folder and reads what came of it."""

    def run(layout: Layout, root: Path) -> Prepared:
        output = tmp_path / "manifest.parquet"
        output.unlink(missing_ok=True)
        words = [layout.adapter, "--root", str(root), "-o", str(output), "--no-hash", "--no-probe"]
        code = prepare.main(words)
        rows = {row.path: row for row in read_manifest(output).records()} if output.exists() else {}
        told = output.with_suffix(".problems.csv")
        problems: list[tuple[str, str]] = []
        if told.exists():
            with told.open(newline="", encoding="utf-8") as stream:
                problems = [(line["kind"], line["path"]) for line in csv.DictReader(stream)]
        return Prepared(code, rows, tuple(problems), capsys.readouterr().err)

    return run


@pytest.fixture
def tree(tmp_path):
    """Returns a function that writes a layout's tree and returns its root."""

    def tree(layout: Layout) -> Path:
        root = tmp_path / "set"
        layout.make(root)
        return root

    return tree


def expect(layout: Layout, prepared: Prepared, rows: Sequence[Row], problems: Mapping[str, int] | None = None) -> None:
    """Check rows one by one, problems by kind, that each is on standard error, and the exit code."""
    expected = {row.path: replace(row, dataset=row.dataset or layout.adapter) for row in rows}
    assert sorted(prepared.rows) == sorted(expected)
    for path, row in expected.items():
        assert prepared.rows[path] == row
    counts = Counter(layout.problems) + Counter(problems or {})
    assert prepared.kinds == counts
    for kind, count in counts.items():
        assert f"{count} x {kind}" in prepared.stderr
    assert prepared.code == (layout.exit or int(len({row.label for row in rows}) < 2))


def without(layout: Layout, *gone: str) -> list[Row]:
    """Return the rows that are not at, or under, one of the paths."""
    return [row for row in layout.rows if not any(row.path == path or row.path.startswith(f"{path}/") for path in gone)]


@each_layout
def test_as_published(layout, tree, run):
    expect(layout, run(layout, tree(layout)), layout.rows)


@each_layout
def test_a_missing_file_is_named(layout, tree, run):
    root = tree(layout)
    gone = root / layout.missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    prepared = run(layout, root)
    expect(layout, prepared, without(layout, layout.missing), layout.missing_problems)
    # Where an index names no folder, it is looked for where others are; its name is said in any case.
    names = {path.rpartition("/")[2] for _, path in prepared.problems}
    assert not layout.missing_problems or layout.missing.rpartition("/")[2] in names


@each_layout
def test_a_file_without_a_row_is_named(layout, tree, run):
    root = tree(layout)
    assert not (root / layout.extra).exists()
    touch(root, layout.extra)
    prepared = run(layout, root)
    expect(layout, prepared, [*layout.rows, *layout.extra_rows], {} if layout.extra_rows else layout.extra_problems)
    assert layout.extra in prepared.rows or layout.extra in {path for _, path in prepared.problems}


@each_layout
def test_a_folder_in_another_case(layout, tree, run):
    root = tree(layout)
    folder = Path(layout.folder)
    renamed = folder.with_name(folder.name.swapcase()).as_posix()
    assert renamed != layout.folder
    (root / layout.folder).rename(root / renamed)
    moved = [
        replace(row, path=row.path.replace(f"{layout.folder}/", f"{renamed}/", 1))
        if row.path.startswith(f"{layout.folder}/")
        else row
        for row in layout.rows
    ]
    assert moved != list(layout.rows)
    expect(layout, run(layout, root), moved)


def index_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix in (".txt", ".csv", ".tsv", ".json", ".jsonl")]


@each_layout
def test_windows_line_ends_and_byte_order_mark(layout, tree, run):
    root = tree(layout)
    for path in index_files(root):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    expect(layout, run(layout, root), layout.rows)


@each_layout
def test_an_index_in_utf16_is_read_and_told(layout, tree, run):
    root = tree(layout)
    for path in index_files(root):
        path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    prepared = run(layout, root)
    expect(layout, prepared, layout.rows, {"other_encoding": prepared.kinds["other_encoding"]})
    assert prepared.kinds["other_encoding"] or not layout.malformed


@each_layout
def test_root_and_folder_behind_links(layout, tree, run, tmp_path):
    root = tree(layout)
    (root / layout.folder).rename(tmp_path / "elsewhere")
    (root / layout.folder).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / layout.folder / "loop").symlink_to(root, target_is_directory=True)
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    expect(layout, run(layout, tmp_path / "link"), layout.rows)


@each_layout
def test_half_extracted(layout, tree, run):
    root = tree(layout)
    shutil.rmtree(root / layout.half)
    prepared = run(layout, root)
    if layout.half_problems is None:
        # Where the index went with the folder, it is the root that is not known.
        said = ("only half extracted?", "does not look like the root")
        assert prepared.code == 2 and not prepared.rows and any(text in prepared.stderr for text in said)
    else:
        left = without(layout, layout.half)
        assert len(left) < len(layout.rows)
        expect(layout, prepared, left, layout.half_problems)


@pytest.mark.parametrize(
    ("layout", "malformed"),
    [
        pytest.param(layout, malformed, id=f"{layout.adapter}-{layout.name}-{malformed.place}")
        for layout in LAYOUTS
        for malformed in layout.malformed
    ],
)
def test_a_malformed_row_is_one_problem_with_its_place(layout, malformed, tree, run):
    root = tree(layout)
    index = root / malformed.file
    text = index.read_text(encoding="utf-8")
    assert text.count(malformed.old) == 1
    index.write_text(text.replace(malformed.old, malformed.new), encoding="utf-8")
    prepared = run(layout, root)
    left = without(layout, *malformed.lost)
    assert sorted(prepared.rows) == sorted(row.path for row in left)
    assert (malformed.kind, malformed.place) in prepared.problems
    unread = Counter({"file_without_row": len(malformed.lost)})
    assert prepared.kinds == Counter(layout.problems) + Counter({malformed.kind: 1}) + unread


@each_layout
def test_the_folder_above_is_refused_with_the_right_one(layout, tree, run):
    root = tree(layout)
    prepared = run(layout, root.parent)
    # Sets that are known by files at any depth are read from above as well.
    if prepared.code == 2:
        assert f"--root {root}" in prepared.stderr
    else:
        assert sorted(prepared.rows) == sorted(f"set/{row.path}" for row in layout.rows)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_a_wrong_root_says_what_was_expected_and_what_is_there(name, tmp_path, capsys):
    words = [name, "--root", str(tmp_path / "set"), "-o", str(tmp_path / "m.parquet")]
    assert prepare.main(words) == 2
    assert "is not a folder" in capsys.readouterr().err
    touch(tmp_path / "set", "part1.zip", "notes.rst")
    assert prepare.main(words) == 2
    err = capsys.readouterr().err
    assert f"the root of {ADAPTERS[name].title}: expected one of" in err and "'notes.rst', 'part1.zip'" in err
    assert "extract the archives first (part1.zip)" in err and err.count("\n") == 1
