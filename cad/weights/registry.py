# SPDX-License-Identifier: Apache-2.0
"""Tells which weights there are, from the ``manifest.json`` in every folder of this one.

A manifest has at least ``file``, ``sha256`` and ``kind``; a folder of the same layout anywhere on the disk is
accepted too, so that a model of one's own is used in the same way as a shipped one. So is an ONNX file by itself, whose
bytes nothing can vouch for.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from cad.errors import WeightsError, WeightsIntegrityError, WeightsNotFoundError
from cad.plain_file import read_plain
from cad.strict_json import parse_object

Kind = Literal["detector", "face", "speech"]
KINDS: tuple[Kind, ...] = ("detector", "face", "speech")
MANIFEST_NAME = "manifest.json"
PACKAGE_FOLDER = Path(__file__).resolve().parent
MAX_MANIFEST_BYTES = 1 << 20
#: Protobuf's own limit.
MAX_MODEL_BYTES = (1 << 31) - 1
#: What the package reads of a manifest, and of which type it must be; the first three must be there.
_TYPES: dict[str, tuple[type, str]] = {
    "kind": (str, "text"),
    "file": (str, "text"),
    "sha256": (str, "text"),
    "bytes": (int, "a whole number"),
    "default": (bool, "true or false"),
    "trained_on": (str, "text"),
    "commit": (str, "text"),
    "figures": (dict, "an object"),
}
_NEEDED = ("kind", "file", "sha256")


@dataclass(frozen=True, slots=True)
class WeightsEntry:
    """One set of weights as its manifest describes it.

    Attributes:
        name: Name of its folder.
        kind: ``detector`` (a CAD model), ``face`` (the face finder) or ``speech`` (what hears speech).
        path: The ONNX file.
        sha256: What the file's bytes must hash to, lower-case hex.
        manifest: Everything that the manifest says, for instance ``figures`` measured on validation data.
    """

    name: str
    kind: Kind
    path: Path
    sha256: str
    manifest: Mapping[str, Any]

    @property
    def card(self) -> Path:
        """Where the model card is."""
        return self.path.parent / "CARD.md"


def list_entries(kind: Kind | None = None, folder: Path = PACKAGE_FOLDER) -> list[WeightsEntry]:
    """Return every set of weights in ``folder``, or those of one ``kind``, by name.

    Raises:
        WeightsIntegrityError: A manifest cannot be understood.
    """
    entries = [read_entry(one) for one in _folders(folder)]
    return [entry for entry in entries if kind is None or entry.kind == kind]


def try_entries(folder: Path = PACKAGE_FOLDER) -> Iterator[WeightsEntry | WeightsError]:
    """Yield every set of weights in ``folder`` by name; in place of one that cannot be understood, the error."""
    for one in _folders(folder):
        try:
            yield read_entry(one)
        except WeightsError as error:
            yield error


def find_entry(name: str, folder: Path = PACKAGE_FOLDER) -> WeightsEntry:
    """Return the weights called ``name``, or those in the folder or of the ONNX file that ``name`` is the path of.

    Raises:
        WeightsNotFoundError: There are none; the message names those that exist, the nearest first.
        WeightsIntegrityError: Their manifest cannot be understood.
    """
    if is_plain_name(name) and os.path.lexists(folder / name / MANIFEST_NAME):
        return read_entry(folder / name)
    if os.path.lexists(Path(name) / MANIFEST_NAME):
        return read_entry(Path(name))
    if name.endswith(".onnx") and os.path.lexists(name):
        return bare_entry(Path(name))
    known = [entry.name for entry in list_entries(folder=folder)]
    nearest = difflib.get_close_matches(name, known, n=len(known) or 1, cutoff=0.0)
    there_are = f"; there are: {', '.join(nearest)}" if known else ", and the package has none at all"
    raise WeightsNotFoundError(f"there are no weights called {name!r}{there_are}")


def default_detector(folder: Path = PACKAGE_FOLDER) -> WeightsEntry:
    """Return the detector that is used when none is named.

    Raises:
        WeightsNotFoundError: The package has no detector.
        WeightsIntegrityError: A manifest cannot be understood.
    """
    detectors = list_entries("detector", folder)
    if not detectors:
        raise WeightsNotFoundError(f"there are no detector weights in {folder}; name a folder that has {MANIFEST_NAME}")
    return default_of(detectors)


def default_of(detectors: Sequence[WeightsEntry]) -> WeightsEntry:
    """Return the one of them whose manifest has ``"default": true``, else the last."""
    chosen = [entry for entry in detectors if entry.manifest.get("default") is True]
    return (chosen or detectors)[-1]


def read_entry(folder: Path) -> WeightsEntry:
    """Return what the manifest in ``folder`` describes, without reading the weights.

    Raises:
        WeightsIntegrityError: It is no manifest: one line that names the folder and the key.
    """
    where = printable_path(folder / MANIFEST_NAME)
    if not folder.name.isprintable():
        raise WeightsIntegrityError(f"{where}: the name of the folder has control or other unprintable characters")
    try:
        manifest = parse_object(read_plain(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES))
    except OSError as error:
        raise WeightsIntegrityError(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise WeightsIntegrityError(f"{where} is not a manifest: {error}") from error
    for key, (kind, accepted) in _TYPES.items():
        if key not in manifest and key in _NEEDED:
            raise WeightsIntegrityError(f"{where} is not a manifest: it lacks {key}")
        if key in manifest and type(manifest[key]) is not kind:
            found = type(manifest[key]).__name__
            raise WeightsIntegrityError(f"{where}: {key} must be {accepted}, but it is of type {found}")
    if manifest["kind"] not in KINDS:
        raise WeightsIntegrityError(f"{where}: kind is {manifest['kind']!r}; accepted are {', '.join(KINDS)}")
    if not is_plain_name(manifest["file"]):
        raise WeightsIntegrityError(f"{where}: file is {manifest['file']!r}; it must be a name in the same folder")
    if not re.fullmatch("[0-9a-fA-F]{64}", manifest["sha256"]):
        raise WeightsIntegrityError(f"{where}: sha256 is {manifest['sha256'][:80]!r}; it must be 64 hexadecimal digits")
    file = folder / manifest["file"]
    return WeightsEntry(folder.name, cast(Kind, manifest["kind"]), file, manifest["sha256"].lower(), manifest)


def bare_entry(file: Path) -> WeightsEntry:
    """Return the entry of a detector's ONNX file that has no manifest; its sha256 is that of the bytes found.

    Raises:
        WeightsNotFoundError: The file cannot be read, or is no regular file of at most MAX_MODEL_BYTES.
    """
    try:
        sha256 = hashlib.sha256(read_plain(file, MAX_MODEL_BYTES)).hexdigest()
    except OSError as error:
        raise WeightsNotFoundError(f"{file} cannot be read: {error.strerror}") from error
    return WeightsEntry(file.stem, "detector", file, sha256, {})


def _folders(folder: Path) -> list[Path]:
    return [manifest.parent for manifest in sorted(folder.glob(f"*/{MANIFEST_NAME}"))]


def printable_path(path: Path) -> str:
    """Return a path for a message: as it is, or quoted where it has unprintable characters, which could forge lines."""
    return str(path) if str(path).isprintable() else repr(str(path))


def is_plain_name(name: object) -> bool:
    """Say whether ``name`` is one path component, so that it cannot leave its folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\\" not in name
