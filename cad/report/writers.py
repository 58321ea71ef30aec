# SPDX-License-Identifier: Apache-2.0
"""Where results go while a batch runs: one writer a format, all with the same three methods."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Protocol, TextIO

from cad.errors import MediaError, OptionError
from cad.report.html import error_section, page_html, verdict_section
from cad.report.json_document import Document, error_document, verdict_document
from cad.report.text import error_text, verdict_text
from cad.verdict.analysis import Analysis
from cad.verdict.records import Verdict


class Writer(Protocol):
    """Takes the results of a batch one by one."""

    def verdict(self, analysis: Analysis, verdict: Verdict) -> None:
        """Take the verdict on a file, and what it was made from."""

    def error(self, path: str, error: MediaError) -> None:
        """Take a file that could not be read."""

    def close(self) -> None:
        """Write what is left, after the last file."""


class TextWriter:
    """Writes lines for a person as soon as a file is done."""

    def __init__(self, out: TextIO, verbose: bool) -> None:
        self._out = out
        self._verbose = verbose

    def verdict(self, analysis: Analysis, verdict: Verdict) -> None:
        """Write a verdict and the evidence under it."""
        print(verdict_text(verdict, self._verbose), file=self._out, flush=True)

    def error(self, path: str, error: MediaError) -> None:
        """Write one line."""
        print(error_text(path, error), file=self._out, flush=True)

    def close(self) -> None:
        """Do nothing: everything is written."""


class JsonLinesWriter:
    """Writes one JSON object a line as soon as a file is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def verdict(self, analysis: Analysis, verdict: Verdict) -> None:
        """Write a verdict as one line."""
        self._write(verdict_document(verdict))

    def error(self, path: str, error: MediaError) -> None:
        """Write an error as one line."""
        self._write(error_document(path, error))

    def close(self) -> None:
        """Do nothing: everything is written."""

    def _write(self, document: Document) -> None:
        print(json.dumps(document), file=self._out, flush=True)


class JsonWriter:
    """Writes one JSON document at the end: the object of the only file, or an array of all.

    Args:
        out: Where to write.
        single: Whether the call named exactly one file, so that the document is its object.
    """

    def __init__(self, out: TextIO, single: bool) -> None:
        self._out = out
        self._single = single
        self._documents: list[Document] = []

    def verdict(self, analysis: Analysis, verdict: Verdict) -> None:
        """Keep a verdict."""
        self._documents.append(verdict_document(verdict))

    def error(self, path: str, error: MediaError) -> None:
        """Keep an error."""
        self._documents.append(error_document(path, error))

    def close(self) -> None:
        """Write the document."""
        document = self._documents[0] if self._single and len(self._documents) == 1 else self._documents
        print(json.dumps(document, indent=2), file=self._out, flush=True)


class HtmlWriter:
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

    def verdict(self, analysis: Analysis, verdict: Verdict) -> None:
        """Keep the section of a file."""
        self._sections.append(verdict_section(analysis, verdict))

    def error(self, path: str, error: MediaError) -> None:
        """Keep the section of a file that could not be read."""
        self._sections.append(error_section(path, error))

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
