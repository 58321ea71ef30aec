# SPDX-License-Identifier: Apache-2.0
"""Gives the command line its files: ``-`` reads paths from standard input, folders are searched on request."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TextIO

from cad.errors import MediaError, MediaNotFoundError, MediaUnreadableError
from cad.sniff import HEAD_BYTES, begins_like_media, is_apple_double, is_text

logger = logging.getLogger(__name__)

#: A file with such a name is analysed even if it does not begin like media: it may be damaged, and is not to be lost.
MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        ("3g2", "3gp", "asf", "avi", "dv", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf"),
        ("nut", "ogv", "rm", "ts", "vob", "webm", "wmv"),
        ("aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "eac3", "flac", "m4a", "mka", "mp3", "oga"),
        ("ogg", "opus", "snd", "tta", "w64", "wav", "wma", "wv"),
        ("avif", "bmp", "gif", "heic", "heif", "jfif", "jpeg", "jpg", "jxl", "png", "tif", "tiff", "webp"),
    )
    for name in names
)
#: Of these the names are also those of program text (TypeScript).
_SHARED_SUFFIXES = frozenset((".ts", ".mts"))


@dataclass(frozen=True, slots=True)
class Input:
    """One file to analyse, or why an argument gives none."""

    path: str
    error: MediaError | None = None


def expand_inputs(arguments: Iterable[str], stdin: TextIO, recursive: bool) -> Iterator[Input]:
    """Yield the files that the arguments name, each as soon as it is known.

    Files that a search passes over are counted in one line of the log, and named at level INFO.

    Args:
        arguments: Paths; ``-`` stands for paths on ``stdin``, one a line.
        stdin: Where ``-`` reads.
        recursive: Search folders for media files instead of refusing them.
    """
    search = FolderSearch()
    try:
        for path in _paths(arguments, stdin):
            if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir() raises for some paths
                yield Input(path)
            elif recursive:
                yield from search.files(path)
            else:
                text = "is a folder; name files, or pass --recursive to analyse the media files in it"
                yield Input(path, MediaNotFoundError(path, text))
    finally:
        search.tell()


def _paths(arguments: Iterable[str], stdin: TextIO) -> Iterator[str]:
    for argument in arguments:
        if argument != "-":
            yield argument
            continue
        for line in stdin:
            if line.rstrip("\r\n"):
                yield line.rstrip("\r\n")


class FolderSearch:
    """Searches folders for media, told by their first bytes.

    The files of a folder and those below it come in the order of their names, each as it is found. Hidden files are
    searched like others. Folders behind symbolic links are searched too, but none twice.
    """

    def __init__(self) -> None:
        self._passed_over = 0

    def files(self, folder: str) -> Iterator[Input]:
        """Yield the media files under a folder, and an error for each folder that may not be read or is gone."""
        found = False
        for entry in self._walk(folder):
            found = True
            yield entry
        if not found:
            yield Input(folder, MediaNotFoundError(folder, "the folder has no media files (told by their content)"))

    def tell(self) -> None:
        """Log how many files were passed over."""
        if self._passed_over:
            files = "1 file that is" if self._passed_over == 1 else f"{self._passed_over} files that are"
            logger.warning("passed over %s no media (-v names them)", files)

    def _walk(self, folder: str) -> Iterator[Input]:
        seen: set[tuple[int, int]] = set()
        waiting = [folder]  # a stack and no recursion: a tree may be deeper than Python lets calls be
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)  # noqa: PTH116 - names are bytes here, not paths to take apart
                if stat.S_ISDIR(status.st_mode):
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        names = sorted(os.listdir(path), reverse=True)  # noqa: PTH208
                        waiting += [os.path.join(path, name) for name in names]  # noqa: PTH118
                elif not stat.S_ISREG(status.st_mode):
                    self._pass_over(path, "a device, pipe or socket")
                elif why := _why_no_media(path):
                    self._pass_over(path, why)
                else:
                    yield Input(path)
            except (OSError, ValueError) as error:
                yield Input(path, _not_searched(path, error))

    def _pass_over(self, path: str, why: str) -> None:
        self._passed_over += 1
        logger.info("passed over %r: %s", path, why)


def _why_no_media(path: str) -> str:
    """Return why a regular file is not analysed, empty if it is.

    Raises:
        OSError: It cannot be opened.
    """
    suffix = PurePath(path).suffix.lower()
    # A pipe may have taken its place by now, and would block.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        head = os.pread(fd, HEAD_BYTES, 0)
    finally:
        os.close(fd)
    if is_apple_double(head):
        return "the attributes of another file (AppleDouble)"
    if begins_like_media(head):
        return ""
    if suffix in MEDIA_SUFFIXES and not (suffix in _SHARED_SUFFIXES and is_text(head)):
        return ""
    return "text" if is_text(head) else "empty" if not head else "it does not begin like media"


def _not_searched(path: str, error: OSError | ValueError) -> MediaError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return MediaNotFoundError(path, "there is no such file or folder any more, or the link leads nowhere")
    if isinstance(error, PermissionError):
        return MediaUnreadableError(path, "cannot be opened (permission denied)")
    loops = isinstance(error, OSError) and error.errno == errno.ELOOP
    why = "symbolic links in a loop" if loops else getattr(error, "strerror", None) or str(error)
    return MediaUnreadableError(path, f"cannot be opened ({why})")
