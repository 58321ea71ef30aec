# SPDX-License-Identifier: Apache-2.0
"""Index files as other systems write them: each malformed row is one problem with its place, and the others go on."""

from __future__ import annotations

import pytest

from cad.data.benchmarks.index_files import csv_rows, json_entries, json_items, lines, one_of, rows_of
from cad.data.manifest import Problem, Row
from cad.errors import DataError


def told(entries):
    """Return what was read, and the problems as (kind, place)."""
    entries = list(entries)
    problems = [(entry.kind, entry.path) for entry in entries if isinstance(entry, Problem)]
    return [entry for entry in entries if not isinstance(entry, Problem)], problems


TEXT = "file,label\nä.wav,real\nb.wav,fake\n"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (TEXT.encode(), []),
        (TEXT.encode("utf-8-sig"), []),
        (TEXT.replace("\n", "\r\n").encode(), []),
        (TEXT.replace("\n", "\r").encode(), []),
        (TEXT.encode("utf-16"), [("other_encoding", "i.csv")]),
        (TEXT.encode("utf-16-le"), [("other_encoding", "i.csv")]),
        (TEXT.encode("utf-16-be"), [("other_encoding", "i.csv")]),
        (TEXT.encode("latin-1"), [("other_encoding", "i.csv, line 2")]),
    ],
    ids=["utf-8", "mark", "windows", "old_mac", "utf-16", "utf-16-le", "utf-16-be", "latin-1"],
)
def test_encodings_and_line_ends(tmp_path, raw, problem):
    (tmp_path / "i.csv").write_bytes(raw)
    rows, problems = told(csv_rows(tmp_path / "i.csv", ("file", "label")))
    assert problems == problem
    assert rows == [
        ("i.csv, line 2", {"file": "ä.wav", "label": "real"}),
        ("i.csv, line 3", {"file": "b.wav", "label": "fake"}),
    ]
    fields, problems = told(lines(tmp_path / "i.csv", 2, delimiter=","))
    assert problems == problem and fields[1] == ("i.csv, line 2", ["ä.wav", "real"])


def test_csv_rows_of_another_length_and_quoted_ones(tmp_path):
    path = tmp_path / "i.csv"
    path.write_text(' file ,label,note\n"a\n,b.wav", real ,\n\nshort.wav,real\nlong.wav,real,x,y\nc.wav,fake,,\n')
    rows, problems = told(csv_rows(path, ("file", "label"), optional=("split",)))
    assert problems == [("bad_row", "i.csv, line 5"), ("bad_row", "i.csv, line 6")]
    assert rows == [
        ("i.csv, line 3", {"split": "", "file": "a\n,b.wav", "label": "real", "note": ""}),
        ("i.csv, line 7", {"split": "", "file": "c.wav", "label": "fake", "note": ""}),
    ]


def test_a_field_without_end_does_not_stop_the_rest(tmp_path):
    path = tmp_path / "i.csv"
    path.write_text("file,label\na.wav,real\n" + "b" * 200_000 + ",real\nc.wav,fake\n")
    rows, problems = told(csv_rows(path, ("file",)))
    assert [place for _, place in problems] == ["i.csv, line 3"]
    assert [row["file"] for _, row in rows] == ["a.wav", "c.wav"]


def test_an_absent_column_and_an_absent_file_are_refused(tmp_path):
    (tmp_path / "i.csv").write_text("file;label\na.wav;real\n")
    with pytest.raises(DataError, match=r"lacks the column\(s\) \['file', 'label'\]; it has \['file;label'\]"):
        list(csv_rows(tmp_path / "i.csv", ("file", "label")))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"lacks the column\(s\) \['file'\]; it has \[\]"):
        list(csv_rows(tmp_path / "empty.csv", ("file",)))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(lines(tmp_path / "absent.txt"))


def test_lines_too_short_and_comments(tmp_path):
    (tmp_path / "i.txt").write_text("# said\na  b\tc\n\n  d\n")
    fields, problems = told(lines(tmp_path / "i.txt", 2))
    assert fields == [("i.txt, line 2", ["a", "b", "c"])] and problems == [("bad_row", "i.txt, line 4")]


ENTRIES = '{"a": 1}', '{"a": {"b": [2]}}', '{"a": 3}'


@pytest.mark.parametrize(
    "text",
    ["[%s]", "[\n%s\n]", '{"a": 1}\n{"a": {"b": [2]}}\n{"a": 3}\n'],
    ids=["list_on_a_line", "list", "json_lines"],
)
def test_json_lists_and_lines(tmp_path, text):
    (tmp_path / "i.json").write_text(text.replace("%s", ", ".join(ENTRIES)))
    entries, problems = told(json_entries(tmp_path / "i.json"))
    assert entries == [
        ("i.json, entry 1", {"a": 1}),
        ("i.json, entry 2", {"a": {"b": [2]}}),
        ("i.json, entry 3", {"a": 3}),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "read", "places"),
    [
        ('[{"a": 1}, {"a" 2}, {"a": 3}]', [1, 3], [2]),
        ('[\n{"a": 1},\n{"a": tru},\n{"a": 3}\n]\n', [1, 3], [2]),
        ('[\n  {\n    "a": 1\n  },\n  {\n    "a" 2\n  },\n  {\n    "a": 3\n  }\n]\n', [1, 3], [2]),
        ('{"a": 1}\n{"a": \n{"a": 3}\n', [1, 3], [2]),
        ('[{"a": 1}, 7, {"a": 3}]', [1, 3], [2]),
        ('[{"a": 1}, {"a": 2', [1], [2]),
        ('[{"a": 1}, {"a": 2}', [1, 2], [3]),
        ("nothing", [], [1]),
        ("[]", [], []),
        ("", [], []),
    ],
)
def test_broken_json_is_one_problem_an_entry(tmp_path, text, read, places):
    (tmp_path / "i.json").write_text(text)
    entries, problems = told(json_entries(tmp_path / "i.json"))
    assert [entry["a"] for _, entry in entries] == read
    assert problems == [("bad_row", f"i.json, entry {number}") for number in places]


def test_objects_of_objects(tmp_path):
    (tmp_path / "i.json").write_text('{"a.mp4": {"label": "REAL"}, "b.mp4": null}')
    items, problems = told(json_items(tmp_path / "i.json", name="part_0/i.json"))
    assert items == [("part_0/i.json, 'a.mp4'", ("a.mp4", {"label": "REAL"}))]
    assert problems == [("bad_row", "part_0/i.json, 'b.mp4'")]
    (tmp_path / "i.json").write_text("[]")
    with pytest.raises(DataError, match="holds no JSON object but a list"):
        list(json_items(tmp_path / "i.json"))
    (tmp_path / "i.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        list(json_items(tmp_path / "i.json"))


def test_what_a_row_is_made_of_fails_with_its_place():
    def make(value):
        return {
            "row": lambda: Row("a.wav", 0),
            "none": lambda: None,
            "key": lambda: {}["label"],
            "word": lambda: one_of({"real": 0}, "maybe", "label"),
            "kind": lambda: one_of({"real": 0}, ["real"], "label"),
            "type": lambda: float(None),
            "index": lambda: [][1],
        }[value]()

    entries = [(f"i, line {number}", value) for number, value in enumerate(("row", "none", "key", "word", "kind"), 1)]
    entries += [("i, line 6", "type"), ("i, line 7", "index"), Problem("bad_row", "i, line 8", "short")]
    rows, problems = told(rows_of(entries, make))
    assert rows == [Row("a.wav", 0)]
    assert problems == [("bad_row", f"i, line {number}") for number in range(3, 9)]
    texts = [entry.text for entry in rows_of(entries, make) if isinstance(entry, Problem)]
    assert texts[0] == "there is no 'label'" and texts[1] == "label 'maybe' is none of 'real'"
