# SPDX-License-Identifier: Apache-2.0
"""``Tree`` lists a folder once, so that a million rows are looked up in memory, whatever the case of their folders."""

from __future__ import annotations

import os
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from fnmatch import translate
from functools import cached_property
from pathlib import Path
from re import compile as compile_pattern

from cad.data.manifest import Problem
from cad.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
MEDIA_SUFFIXES = VIDEO_SUFFIXES + SOUND_SUFFIXES
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".z01", ".001")
#: What zip archives of macOS carry beside the files; hidden files are passed over as well.
JUNK_FOLDERS = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information"})


class Tree:
    """What lies under a folder, with paths relative to it and forward slashes.

    Symlinks are followed (a set is often spread over disks); names with a leading dot are passed over.

    Attributes:
        root: The folder.
        files: Every file, in order.
        folders: Every folder but the root itself, in order.
        problems: Folders that may not be read and names that are not UTF-8 (a manifest cannot hold them).

    Raises:
        DataError: ``root`` is not a folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root} is not a folder")
        self.root = root
        self.problems: list[Problem] = []
        files: list[str] = []
        folders: list[str] = []
        for path, is_folder in self._walk():
            (folders if is_folder else files).append(path)
        self.files = tuple(sorted(files))
        self.folders = tuple(sorted(folders))
        self._known = frozenset(self.files + self.folders)

    def find(self, path: str) -> str | None:
        """Return the path of the file or folder ``path`` as it is on disk, where its case may differ, or None.

        Backslashes count as slashes. Of two that differ in case only, the exact one is meant, or else neither.
        """
        path = path.replace("\\", "/").removeprefix("./").rstrip("/")
        if path in self._known:
            return path
        return self._by_folded.get(_folded(path))

    def under(self, folder: str, suffixes: tuple[str, ...] = MEDIA_SUFFIXES) -> list[str]:
        """Return the files of these suffixes under ``folder`` (any case; empty for the root), in order."""
        prefix = ""
        if folder:
            found = self.find(folder)
            if found is None:
                return []
            prefix = f"{found}/"
        # The character after the slash ends the range.
        start, stop = bisect_left(self.files, prefix), bisect_left(self.files, f"{prefix[:-1]}0") if prefix else None
        return [path for path in self.files[start:stop] if path.lower().endswith(suffixes)]

    def matching(self, pattern: str) -> list[str]:
        """Return the folders, and the files that are no media, whose path fits ``pattern``, in order.

        ``*`` stands for anything, slashes included; the case of letters is passed over. A slash at the end of the
        pattern asks for folders alone.
        """
        among = self.folders if pattern.endswith("/") else self._no_media
        fits = compile_pattern(translate(pattern.lower().rstrip("/"))).match
        return sorted(path for path in among if fits(path.lower()))

    @cached_property
    def _no_media(self) -> tuple[str, ...]:
        return (*self.folders, *(path for path in self.files if not path.lower().endswith(MEDIA_SUFFIXES)))

    @cached_property
    def _by_folded(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for path in self._known:
            key = _folded(path)
            found[key] = None if key in found else path
        return found

    def _walk(self) -> Iterator[tuple[str, bool]]:
        """Yield every path with whether it is a folder.

        A link into a folder that the walk is inside of would go on without end and is passed over.
        """
        stack: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(self.root),))]
        while stack:
            folder, entered = stack.pop()
            try:
                entries = list(os.scandir(self.root / folder))
            except OSError as error:
                self.problems.append(Problem("unreadable_folder", f"{folder}/", error.strerror or str(error)))
                continue
            for entry in entries:
                if entry.name.startswith(".") or entry.name in JUNK_FOLDERS:
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_utf8(path):
                    self.problems.append(Problem("bad_name", ascii(path), "the name is not UTF-8"))
                elif not entry.is_dir():
                    if entry.is_file():
                        yield path, False
                else:
                    inside = entered
                    if entry.is_symlink():
                        target = os.path.realpath(entry.path)
                        here = os.path.realpath(self.root / folder)
                        if target in entered or f"{here}/".startswith(f"{target}/"):
                            continue
                        inside = (*entered, target)
                    yield path, True
                    stack.append((path, inside))


def _folded(path: str) -> str:
    """Return what paths have in common that differ in case, or in how accents are composed (macOS)."""
    return unicodedata.normalize("NFC", path).casefold()


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
