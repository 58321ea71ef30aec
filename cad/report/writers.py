# SPDX-License-Identifier: Apache-2.0
"""Writers for the command line, one a format: they take the results of a batch one by one."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Protocol, TextIO

from cad.errors import OptionError
from cad.report.html import REPORT_MARK, error_section, page_end, page_start, verdict_section
from cad.report.text import error_text, verdict_text
from cad.verdict.document import json_text
from cad.whole_files import written_beside

if TYPE_CHECKING:
    from cad.detector import Result


class Writer(Protocol):
    """Takes the results of a batch one by one."""

    def take(self, result: Result) -> None:
        """Take what is said of a file."""

    def close(self, left_out: str = "") -> None:
        """Write what is left after the last file; nothing unless a format needs it, and nothing a second time.

        Args:
            left_out: If the batch ended early, what was not analysed, for people.
        """
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
    """Writes one JSON document: the object of the only file, or an array of all, each file as soon as it is done.

    Args:
        out: Where to write.
        single: Whether the call named exactly one file, so that the document is its object.
    """

    def __init__(self, out: TextIO, single: bool) -> None:
        self._out = out
        self._single = single
        self._before, self._after = "[\n", "[]"

    def take(self, result: Result) -> None:
        """Write a result."""
        text = json_text(result.to_dict(), indent=2)
        if self._single:
            print(text, file=self._out, flush=True)
            return
        self._out.write(self._before + indent(text, "  "))
        self._before, self._after = ",\n", "\n]"
        self._out.flush()

    def close(self, left_out: str = "") -> None:
        """End the array."""
        after, self._after = self._after, ""
        if after and not self._single:
            print(after, file=self._out, flush=True)


class HtmlWriter(Writer):
    """Writes one page, which is seen at the end only, whole, and never over anything that is not to be lost.

    What may lie there is a report of this command, which is replaced; with ``overwrite`` any regular file that is no
    input. A link is never followed (to write where it leads, name that), and a device, pipe or folder never replaced.
    Sections are kept in a file without a name until then.

    Args:
        path: The page.
        overwrite: Whether another file may be replaced.

    Raises:
        OptionError: The page cannot be written there.
    """

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        self._path = path
        self._overwrite = overwrite
        self._sections = 0
        try:
            folder = path.absolute().parent
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise self._refusal("name a file in a folder that exists and may be written to")
            self._may_replace()
            self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - kept open
        except (OSError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            raise self._refusal(getattr(error, "strerror", None) or str(error)) from error
        self._add(page_start())

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
            self._spool.close()  # from now on there is nothing that could be written
            raise self._refusal(f"that is {file!r}, which is to be analysed")

    def take(self, result: Result) -> None:
        """Keep the section of a file.

        Raises:
            OSError: The disk is full.
        """
        if result.verdict is not None:
            pictures = {} if result.analysis is None else result.analysis.of(result.verdict.media.video_track).pictures
            self._add(verdict_section(result.verdict, pictures))
        elif result.error is not None:
            self._add(error_section(result.path, result.error))
        self._sections += 1

    def _add(self, text: str) -> None:
        try:
            self._spool.write(text.encode())
            self._spool.flush()
        except OSError as error:
            raise OSError(f"the report {str(self._path)!r} cannot be written: {error.strerror}") from error

    def close(self, left_out: str = "") -> None:
        """Write the page beside its place and move it there, so that no half page is ever seen.

        A batch that ended before its first file was done leaves what was there.

        Raises:
            OptionError: Something else lies there by now.
            OSError: It cannot be written.
        """
        if self._spool.closed:
            return
        with self._spool:
            if left_out and not self._sections:
                return
            self._add(page_end(left_out))
            self._spool.seek(0)
            beside = self._path.absolute().with_name(f".cad-{secrets.token_hex(8)}.part")
            with (
                written_beside(self._path.absolute(), part=beside, may_replace=self._may_replace) as part,
                os.fdopen(os.open(part, os.O_WRONLY | os.O_NOFOLLOW), "wb") as file,
            ):
                shutil.copyfileobj(self._spool, file)

    def _may_replace(self) -> bool:
        """Say whether something lies at the place; raise OptionError if that may not be replaced."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISLNK(mode):
            raise self._refusal("that is a symbolic link; name the file that it leads to")
        if not stat.S_ISREG(mode):
            raise self._refusal("that is a folder, device, pipe or socket; name a file")
        if not self._overwrite and not is_report(self._path):
            raise self._refusal("a file that is no report of this command lies there; --overwrite replaces it")
        return True

    def _refusal(self, why: str) -> OptionError:
        return OptionError(f"the report cannot be written to {str(self._path)!r}: {why}")


def is_report(path: Path) -> bool:
    """Say whether a file begins like a page that this package wrote."""
    # A pipe may have taken its place by now, and would block.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return REPORT_MARK.encode("ascii") in file.read(1024)
