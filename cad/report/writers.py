# SPDX-License-Identifier: Apache-2.0
"""Writers for the command line, one a format: they take the results of a batch one by one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from cad.errors import OptionError
from cad.report.html import REPORT_MARK, error_section, page_html, verdict_section
from cad.report.text import error_text, verdict_text
from cad.verdict.document import json_text
from cad.whole_files import written_beside

if TYPE_CHECKING:
    from cad.detector import Result


class Writer(Protocol):
    """Takes the results of a batch one by one."""

    def take(self, result: Result) -> None:
        """Take what is said of a file."""

    def close(self) -> None:
        """Write what is left after the last file; nothing unless a format needs it."""
        return


class TextWriter(Writer):
    """Writes lines for a person as soon as a file is done."""

    def __init__(self, out: TextIO, verbose: bool) -> None:
        self._out = out
        self._verbose = verbose

    def take(self, result: Result) -> None:
        """Write a verdict and the evidence under it, or one line on an error."""
        verdict, error = result.verdict, result.error
        text = verdict_text(verdict, self._verbose) if verdict else error_text(result.path, error) if error else ""
        print(text, file=self._out, flush=True)


class JsonLinesWriter(Writer):
    """Writes one JSON object a line as soon as a file is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def take(self, result: Result) -> None:
        """Write a result as one line."""
        print(json_text(result.to_dict()), file=self._out, flush=True)


class JsonWriter(Writer):
    """Writes one JSON document at the end: the object of the only file, or an array of all.

    Args:
        out: Where to write.
        single: Whether the call named exactly one file, so that the document is its object.
    """

    def __init__(self, out: TextIO, single: bool) -> None:
        self._out = out
        self._single = single
        self._documents: list[dict[str, Any]] = []

    def take(self, result: Result) -> None:
        """Keep a result."""
        self._documents.append(result.to_dict())

    def close(self) -> None:
        """Write the document."""
        document = self._documents[0] if self._single and len(self._documents) == 1 else self._documents
        print(json_text(document, indent=2), file=self._out, flush=True)


class HtmlWriter(Writer):
    """Writes one page at the end, whole or not at all, and never over anything that is not to be lost.

    What may lie there is a report of this command, which is replaced; with ``overwrite`` any regular file that is no
    input. A link is never followed, and a device, pipe or folder never replaced.

    Args:
        path: The page.
        overwrite: Whether another file may be replaced.

    Raises:
        OptionError: The page cannot be written there.
    """

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        self._path = path
        self._overwrite = overwrite
        self._sections: list[str] = []
        try:
            folder = path.absolute().parent
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise self._refusal("name a file in a folder that exists and may be written to")
            self._check_place()
        except (OSError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            raise self._refusal(getattr(error, "strerror", None) or str(error)) from error

    def spare(self, file: str) -> None:
        """Make sure that an input is not what the page would replace, by this or another name of it.

        Raises:
            OptionError: It is.
        """
        try:
            is_same = os.path.realpath(file) == os.path.realpath(self._path) or self._path.samefile(file)
        except (OSError, ValueError):
            return  # one of the two is not there
        if is_same:
            raise self._refusal(f"that is {file!r}, which is to be analysed")

    def take(self, result: Result) -> None:
        """Keep the section of a file."""
        if result.verdict is not None:
            pictures = {} if result.analysis is None else result.analysis.of(result.verdict.media.video_track).pictures
            self._sections.append(verdict_section(result.verdict, pictures))
        elif result.error is not None:
            self._sections.append(error_section(result.path, result.error))

    def close(self) -> None:
        """Write the page beside its place and move it there, so that no half page is ever seen.

        Raises:
            OptionError: Something else lies there by now.
            OSError: It cannot be written.
        """
        content = page_html(self._sections).encode("utf-8", errors="backslashreplace")
        beside = self._path.absolute().with_name(f".cad-{secrets.token_hex(8)}.part")
        with written_beside(self._path.absolute(), part=beside) as part:
            part.write_bytes(content)
            self._check_place()

    def _check_place(self) -> None:
        """Raise OptionError unless nothing lies at the place, or what does may be replaced."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISLNK(mode):
            raise self._refusal("that is a symbolic link; name the file that it leads to")
        if not stat.S_ISREG(mode):
            raise self._refusal("that is a folder, device, pipe or socket; name a file")
        if not self._overwrite and not is_report(self._path):
            raise self._refusal("a file that is no report of this command lies there; --overwrite replaces it")

    def _refusal(self, why: str) -> OptionError:
        return OptionError(f"the report cannot be written to {str(self._path)!r}: {why}")


def is_report(path: Path) -> bool:
    """Say whether a file begins like a page that this package wrote."""
    with path.open("rb") as file:
        return REPORT_MARK.encode("ascii") in file.read(1024)
