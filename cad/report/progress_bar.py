# SPDX-License-Identifier: Apache-2.0
"""The progress bar of the command line; the library itself only calls back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from cad.printable import printable

if TYPE_CHECKING:
    from cad.detector import Progress


class ProgressBar:
    """A bar on stderr that shows the file being analysed and goes away at the end."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Callable[[Progress], None]:
        self._bar.start()
        return self._show

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def _show(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            description=escape(printable(Path(progress.path).name)),
            completed=progress.done_seconds,
            total=progress.total_seconds,
        )
