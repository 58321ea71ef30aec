# SPDX-License-Identifier: Apache-2.0
"""Writers for the command line, one a format: they take the results of a batch one by one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from cad.errors import OptionError
from cad.report.html import error_section, page_html, verdict_section
from cad.report.text import error_text, verdict_text
from cad.verdict.document import json_text

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
    """Writes one page at the end, whole or not at all.

    Args:
        path: The page.

    Raises:
        OptionError: The page cannot be written there.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir() or not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
            raise OptionError(f"the report cannot be written to {path}; name a file in a folder that exists")
        self._path = path
        self._sections: list[str] = []

    def take(self, result: Result) -> None:
        """Keep the section of a file."""
        if result.verdict is not None:
            pictures = {} if result.analysis is None else result.analysis.of(result.verdict.media.video_track).pictures
            self._sections.append(verdict_section(result.verdict, pictures))
        elif result.error is not None:
            self._sections.append(error_section(result.path, result.error))

    def close(self) -> None:
        """Write the page beside its place and move it there, so that no half page is ever seen."""
        content = page_html(self._sections).encode("utf-8", errors="backslashreplace")
        handle, name = tempfile.mkstemp(dir=self._path.absolute().parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
