# SPDX-License-Identifier: Apache-2.0
"""Gives the command line its files: ``-`` reads paths from standard input, folders are searched on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cad.errors import MediaError, MediaNotFoundError

#: What a folder is searched for; a file that is named itself may have any suffix.
MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        ("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob"),
        ("webm", "wmv", "aac", "ac3", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma"),
        ("bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"),
    )
    for name in names
)


@dataclass(frozen=True, slots=True)
class Input:
    """One file to analyse, or why an argument gives none."""

    path: str
    error: MediaError | None = None


def expand_inputs(arguments: Iterable[str], stdin: TextIO, recursive: bool) -> Iterator[Input]:
    """Yield the files that the arguments name, each as soon as it is known.

    Args:
        arguments: Paths; ``-`` stands for paths on ``stdin``, one a line.
        stdin: Where ``-`` reads.
        recursive: Search folders for media files instead of refusing them.
    """
    for argument in arguments:
        if argument == "-":
            for line in stdin:
                if line.rstrip("\r\n"):
                    yield from expand_path(line.rstrip("\r\n"), recursive)
        else:
            yield from expand_path(argument, recursive)


def expand_path(path: str, recursive: bool) -> Iterator[Input]:
    """Yield the files that one path names: under a folder those with the suffix of media, in order of their names."""
    if not Path(path).is_dir():
        yield Input(path)
        return
    if not recursive:
        text = "is a folder; name files, or pass --recursive to analyse the media files in it"
        yield Input(path, MediaNotFoundError(path, text))
        return
    found = sorted(file for file in Path(path).rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES and file.is_file())
    if not found:
        yield Input(path, MediaNotFoundError(path, "the folder has no media files (told by their suffixes)"))
    yield from (Input(str(file)) for file in found)
