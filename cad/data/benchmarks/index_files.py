# SPDX-License-Identifier: Apache-2.0
"""Readers of index files: CSV, JSON and JSON lines, and plain lines, whatever their encoding and line ends.

Each yields what it read together with the place where it stood (``meta_data.csv, line 7``). ``rows_of`` makes rows of
that: what is malformed becomes one ``Problem`` with its place, and the others go on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cad.data.manifest import Problem, Row
from cad.errors import DataError

Value = TypeVar("Value")
#: What was read and where it stood, or what could not be read.
Placed = Iterable[tuple[str, Value] | Problem]

_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"


def rows_of(entries: Placed[Value], make: Callable[[Value], Row | Problem | None]) -> Iterator[Row | Problem]:
    """Yield what ``make`` makes of each entry, and one problem with its place for each that nothing can be made of.

    Args:
        entries: As the readers below yield them.
        make: Returns a row, a problem, or None for an entry that is to be passed over. A ValueError (DataError
            included), KeyError, TypeError or IndexError of it is the problem of its entry.
    """
    for entry in entries:
        if isinstance(entry, Problem):
            yield entry
            continue
        place, value = entry
        try:
            row = make(value)
        except KeyError as error:
            yield Problem("bad_row", place, f"there is no {error}")
        except (ValueError, TypeError, IndexError) as error:
            yield Problem("bad_row", place, " ".join(str(error).split()))
        else:
            if row is not None:
                yield row


def one_of(accepted: Mapping[str, Value], word: object, what: str) -> Value:
    """Return what ``word`` stands for.

    Raises:
        DataError: It is none of the accepted words; the message names them.

    Example:
        >>> one_of({"bonafide": 0, "spoof": 1}, "spoof", "class")
        1
    """
    if isinstance(word, str) and word in accepted:
        return accepted[word]
    raise DataError(f"{what} {word!r} is none of {', '.join(map(repr, accepted))}")


def csv_rows(
    path: Path, columns: tuple[str, ...], *, optional: tuple[str, ...] = (), name: str = "", legacy: str = ""
) -> Placed[Mapping[str, str]]:
    """Yield the rows of a CSV file with a header, without blanks around names and values.

    Args:
        path: The file.
        columns: Columns that it must have; a row without one of them is a problem.
        optional: Columns that are given as empty text where the header lacks them.
        name: What the file is called in places; its own name unless there are several of that name.
        legacy: Encoding of the whole file where it is not UTF-8.

    Raises:
        DataError: The file cannot be read or its header lacks a column.
    """
    name = name or path.name
    text, problems = _text_of(path, name, legacy)
    yield from problems
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in _next(reader, path) or ()]
    if missing := [name for name in columns if name not in header]:
        raise DataError(f"{path} lacks the column(s) {missing}; it has {header}")
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield Problem("bad_row", f"{name}, line {reader.line_num}", str(error))
            continue
        if values is None:
            return
        place = f"{name}, line {reader.line_num}"
        if not any(value.strip() for value in values):
            continue
        if len(values) < len(header) or any(values[len(header) :]):
            yield Problem("bad_row", place, f"has {len(values)} fields where the header has {len(header)}")
            continue
        yield place, {**dict.fromkeys(optional, ""), **dict(zip(header, map(str.strip, values), strict=False))}


def lines(path: Path, least: int = 1, *, delimiter: str | None = None, name: str = "") -> Placed[list[str]]:
    """Yield the fields of each line that is not empty and no comment (``#``).

    Args:
        path: The file.
        least: Fields that a line must have; a shorter one is a problem.
        delimiter: Between fields; by default any run of blanks.
        name: What the file is called in places; its own name unless there are several of that name.

    Raises:
        DataError: The file cannot be read.
    """
    name = name or path.name
    text, problems = _text_of(path, name)
    yield from problems
    # Not ``splitlines``, which also ends lines at characters that names may contain.
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        fields = [field.strip() for field in line.split(delimiter)]
        if not line.strip() or line.startswith("#"):
            continue
        if len(fields) < least:
            yield Problem("bad_row", f"{name}, line {number}", f"has {len(fields)} of {least} fields: {line!r}")
        else:
            yield f"{name}, line {number}", fields


def json_entries(path: Path, *, name: str = "") -> Placed[Mapping[str, Any]]:
    """Yield the objects of a JSON list, or of a file with one object a line (JSON lines).

    Entries are decoded one by one: of a file that ends early all whole ones are read.

    Args:
        path: The file.
        name: What the file is called in places; its own name unless there are several of that name.

    Raises:
        DataError: The file cannot be read.
    """
    name = name or path.name
    text, problems = _text_of(path, name)
    yield from problems
    position, number = _skip(text, 0, _BLANK + "["), 0
    is_list = "[" in text[:position]
    while position < len(text) and not (is_list and text[position] == "]"):
        number += 1
        place = f"{name}, entry {number}"
        try:
            value, after = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            yield Problem("bad_row", place, f"is not JSON: {error}")
            position = _next_entry(text, position)
            if position >= len(text):
                return
            continue
        if isinstance(value, Mapping):
            yield place, value
        else:
            yield Problem("bad_row", place, f"is no JSON object: {str(value)[:60]!r}")
        position = _skip(text, after, _BLANK + ",")
    if is_list and position >= len(text):
        yield Problem("bad_row", f"{name}, entry {number + 1}", "the file ends within its list; is it complete?")


def json_items(path: Path, *, name: str = "") -> Placed[tuple[str, Mapping[str, Any]]]:
    """Yield key and object of each member of one JSON object of objects.

    Args:
        path: The file.
        name: What the file is called in places; its own name unless there are several of that name.

    Raises:
        DataError: The file cannot be read, or is no JSON object.
    """
    name = name or path.name
    text, problems = _text_of(path, name)
    yield from problems
    value = _json_of(text, path)
    if not isinstance(value, Mapping):
        raise DataError(f"{path} holds no JSON object but a {type(value).__name__}")
    for key, member in value.items():
        if isinstance(member, Mapping):
            yield f"{name}, {key!r}", (key, member)
        else:
            yield Problem("bad_row", f"{name}, {key!r}", f"is no JSON object: {str(member)[:60]!r}")


def read_json(path: Path, problems: list[Problem]) -> Any:
    """Return the content of a JSON file; what was odd about its encoding is added to ``problems``.

    Raises:
        DataError: It cannot be read.
    """
    text, odd = _text_of(path, path.name)
    problems += odd
    return _json_of(text, path)


def _json_of(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from error


def _text_of(path: Path, name: str, legacy: str = "") -> tuple[str, list[Problem]]:
    """Return a text file's content without its byte-order mark, and what was odd about its encoding.

    UTF-16 is known by its mark or by its zero bytes; lines that are not UTF-8 are read as Latin-1, which any byte is,
    unless the whole file is in the encoding ``legacy``.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    head = raw[:2]
    if head in (b"\xff\xfe", b"\xfe\xff") or (len(head) == 2 and head.count(0) == 1):
        encoding = "utf-16" if 0 not in head else "utf-16-be" if head[0] == 0 else "utf-16-le"
        try:
            return raw.decode(encoding), [Problem("other_encoding", name, "is UTF-16, not UTF-8")]
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is neither UTF-8 nor whole UTF-16: {error}") from error
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    if legacy:
        try:
            return raw.decode(legacy), [Problem("other_encoding", name, f"is {legacy}, not UTF-8")]
        except UnicodeDecodeError:
            pass
    decoded, problems = [], []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            decoded.append(line.decode())
        except UnicodeDecodeError:
            decoded.append(line.decode("latin-1"))
            problems.append(Problem("other_encoding", f"{name}, line {number}", "is not UTF-8 and was read as Latin-1"))
    return "\n".join(decoded), problems


def _next(reader: Iterator[list[str]], path: Path) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}") from error


def _next_entry(text: str, position: int) -> int:
    """Return where the entry after a broken one may begin: at a brace placed like the broken one's, or the end."""
    start = text.rfind("\n", 0, position) + 1
    own_line = start > 0 and not text[start:position].strip()
    marks = (f"\n{text[start:position]}{{",) if own_line else ("},{", "}, {")
    found = [(place, mark) for mark in marks if (place := text.find(mark, position + 1)) >= 0]
    return len(text) if not found else min(found)[0] + len(min(found)[1]) - 1


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position
