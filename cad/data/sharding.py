# SPDX-License-Identifier: Apache-2.0
"""``make_shards`` turns rows of a manifest into shards: on all cores, and a stopped run goes on where it was.

Clips are made by processes of their own (``cad.data.shard_worker``) and written by this one, in the order of the rows.
What cannot be a clip is listed in ``failures.tsv`` beside the shards and tried again once its file has changed.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import logging
import os
import shutil
import signal
import threading
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cad.data.benchmarks.tree import SOUND_SUFFIXES
from cad.data.manifest import Row
from cad.data.shard_worker import NoClip, ShardWorkers
from cad.data.shards import DEFAULT_SHARD_BYTES, Coding, ShardWriter
from cad.errors import DataError, MediaError, OptionError
from cad.media.pool import MediaPool
from cad.whole_files import written_beside

_log = logging.getLogger(__name__)

FAILURES_NAME = "failures.tsv"

#: Bytes a second of a clip by what it holds; measured, see docs/shards.md.
_PICTURE_BYTES: dict[Coding, int] = {"jpeg": 200_000, "raw": 2_770_000}
_SOUND_BYTES = 32_000
#: Seconds of clips with and without picture that one core turns into shards in a second; likewise.
_PICTURE_SPEED, _SOUND_SPEED = 6.0, 200.0
#: So many files are opened to learn how long clips are where the manifest does not say.
_PROBED = 32
_STILL_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has before it.

    Attributes:
        rows: Rows to make clips of.
        seconds: How long each clip is, as declared or guessed.
        guessed: Rows whose length the manifest does not say.
        total_bytes: About what the shards will take.
        core_seconds: About what it takes on one core.
    """

    rows: Sequence[Row]
    seconds: Sequence[float]
    guessed: int
    total_bytes: float
    core_seconds: float

    def text(self, out: Path, free_bytes: int, jobs: int) -> str:
        """Return the announcement."""
        hours = sum(self.seconds) / 3600
        guess = f"; the manifest does not say how long {self.guessed} of them are" if self.guessed else ""
        return (
            f"{len(self.rows)} clips ({hours:.2f} h{guess}) go into {out}: about {_size(self.total_bytes)} of "
            f"{_size(free_bytes)} free, about {_minutes(self.core_seconds / jobs)} in {jobs} processes; "
            "a stopped run goes on where it was"
        )


def make_shards(
    rows: Sequence[Row],
    root: str | Path,
    out: str | Path,
    prefix: str,
    *,
    jobs: int = 0,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    coding: Coding = "jpeg",
) -> dict[str, str]:
    """Make the shards of ``rows`` that are not in ``out`` yet; say on stderr what that takes and how far it is.

    Args:
        rows: Rows of a manifest.
        root: Folder that their paths are relative to.
        out: Folder of the shards; made if absent.
        prefix: Shards are called ``<prefix>-000000.tar`` and so on.
        jobs: Processes that make clips; 0 for one a core.
        shard_bytes: Size at which a shard is closed.
        coding: How crops are kept.

    Returns:
        Why not, by path, for each row without a clip.

    Raises:
        OptionError: ``jobs`` or ``shard_bytes`` is negative, or ``prefix`` is no file name.
        DataError: The disk is too small or full, another run makes these shards, or a shard there is damaged.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was written stays.
    """
    if jobs < 0 or shard_bytes < 0:
        raise OptionError(f"jobs and shard_bytes must be 0 or more, got {jobs} and {shard_bytes}")
    if not prefix or Path(prefix).name != prefix:
        raise OptionError(f"the prefix of shards must be a file name, got {prefix!r}")
    root, out = Path(root), Path(out)
    by_path = {row.path: row for row in rows}
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with _only_run(out, prefix), _ended_like_ctrl_c(), ShardWriter(out, prefix, shard_bytes) as writer:
        failures = _Failures(out, prefix, root)
        absent = [row for path, row in by_path.items() if path not in writer.done_keys]
        todo = [row for row in absent if not failures.is_known(row.path)]
        try:
            if todo:
                jobs = min(jobs or _cores(), len(todo))
                plan = plan_of(todo, root, coding)
                free = shutil.disk_usage(out).free
                if plan.total_bytes > free:
                    raise DataError(
                        f"{out}: {len(todo)} clips need about {_size(plan.total_bytes)}, and {_size(free)} are free; "
                        "name a folder on a larger disk, or fewer rows"
                    )
                console.print(f"{prefix}: {plan.text(out, free, jobs)}")
                _make(plan, root, jobs, coding, writer, failures, console, prefix)
        except KeyboardInterrupt:
            writer.flush()
            done = sum(path in writer.done_keys for path in by_path)
            console.print(f"{prefix}: stopped with {done} of {len(by_path)} clips made; the same command goes on")
            raise
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DataError(f"{out}: the disk is full; make room, and the same command goes on") from error
        finally:
            failures.store(writer.done_keys)
    return failures.reasons


def _make(
    plan: Plan,
    root: Path,
    jobs: int,
    coding: Coding,
    writer: ShardWriter,
    failures: _Failures,
    console: Console,
    prefix: str,
) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar, ShardWorkers(root, jobs, coding) as workers:
        task = bar.add_task(prefix, total=sum(plan.seconds))
        for row, seconds, made in zip(plan.rows, plan.seconds, workers.clips(plan.rows), strict=True):
            if isinstance(made, NoClip):
                failures.add(row.path, made)
            else:
                writer.add(row.path, made)
            bar.advance(task, seconds)


def plan_of(rows: Sequence[Row], root: Path, coding: Coding = "jpeg") -> Plan:
    """Return what making shards of ``rows`` will take; a few files are opened where no length is declared."""
    unknown = [row for row in rows if row.duration_seconds < 0]
    typical = {kind: _typical([row for row in unknown if _has_picture(row) == kind], root) for kind in (True, False)}
    seconds = [row.duration_seconds if row.duration_seconds >= 0 else typical[_has_picture(row)] for row in rows]
    seen = sum(length for row, length in zip(rows, seconds, strict=True) if _has_picture(row))
    heard = sum(seconds)
    return Plan(
        rows=rows,
        seconds=seconds,
        guessed=len(unknown),
        total_bytes=seen * _PICTURE_BYTES[coding] + heard * _SOUND_BYTES,
        core_seconds=seen / _PICTURE_SPEED + (heard - seen) / _SOUND_SPEED,
    )


def _typical(rows: Sequence[Row], root: Path) -> float:
    """Return the mean length of the files of some rows; those that do not open count nothing."""
    found = []
    with MediaPool() as pool:
        for row in rows[:: max(1, -(-len(rows) // _PROBED))]:
            with contextlib.suppress(MediaError), pool.open(root / row.path) as media:
                found.append(max(media.info.duration_seconds, _STILL_SECONDS))
    return sum(found) / len(found) if found else _STILL_SECONDS


def _has_picture(row: Row) -> bool:
    return not row.path.lower().endswith(SOUND_SUFFIXES)


class _Failures:
    """What gave no clip, with the size of its file: one that has changed since may give one now."""

    def __init__(self, out: Path, prefix: str, root: Path) -> None:
        self._path, self._prefix, self._root = out / FAILURES_NAME, prefix, root
        self._found: dict[str, tuple[str, str, str]] = {}
        #: Why not, for what this run knows to give no clip.
        self.reasons: dict[str, str] = {}
        if self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as stream:
                for path, reason, whose, *size in csv.reader(stream, delimiter="\t"):
                    self._found[path] = reason, whose, "".join(size)

    def add(self, path: str, why: NoClip) -> None:
        self._found[path] = why.reason, self._prefix, "" if why.may_pass else self._size(path)
        self.reasons[path] = why.reason

    def is_known(self, path: str) -> bool:
        """Return whether the file as it is is known to give no clip."""
        reason, _, size = self._found.get(path, ("", "", ""))
        if size and size == self._size(path):
            self.reasons[path] = reason
        return path in self.reasons

    def store(self, made: Container[str]) -> None:
        """Write the list, without what has become a clip."""
        found = {path: fields for path, fields in self._found.items() if path not in made}
        if not found and not self._path.exists():
            return
        with written_beside(self._path) as part, part.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, delimiter="\t").writerows([path, *fields] for path, fields in found.items())

    def _size(self, path: str) -> str:
        try:
            return str((self._root / path).stat().st_size)
        except OSError:
            return "none"


@contextlib.contextmanager
def _only_run(out: Path, prefix: str) -> Iterator[None]:
    """Keep a second run off the same shards; the system opens the lock when this one ends, however it does.

    Raises:
        DataError: Another run makes them.
    """
    with (out / f".{prefix}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{out}: another run is making the shards {prefix}-*.tar there; wait for it") from error
        except OSError:
            _log.warning("%s cannot be locked; start no second run that makes shards there", out)
        yield


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, which schedulers send, end the run as Ctrl-C does; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"
