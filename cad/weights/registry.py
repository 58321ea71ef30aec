# SPDX-License-Identifier: Apache-2.0
"""Tells which weights there are, from the ``manifest.json`` in every folder of this one.

A manifest has at least ``file``, ``sha256`` and ``kind``; a folder of the same layout anywhere on the disk is
accepted too, so that a model of one's own is used in the same way as a shipped one. So is an ONNX file by itself, whose
bytes nothing can vouch for.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from cad.errors import WeightsIntegrityError, WeightsNotFoundError

Kind = Literal["detector", "face", "speech"]
KINDS: tuple[Kind, ...] = ("detector", "face", "speech")
MANIFEST_NAME = "manifest.json"
PACKAGE_FOLDER = Path(__file__).resolve().parent


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
    entries = [read_entry(manifest.parent) for manifest in sorted(folder.glob(f"*/{MANIFEST_NAME}"))]
    return [entry for entry in entries if kind is None or entry.kind == kind]


def find_entry(name: str, folder: Path = PACKAGE_FOLDER) -> WeightsEntry:
    """Return the weights called ``name``, or those in the folder or of the ONNX file that ``name`` is the path of.

    Raises:
        WeightsNotFoundError: There are none; the message names those that exist, the nearest first.
        WeightsIntegrityError: Their manifest cannot be understood.
    """
    if is_plain_name(name) and (folder / name / MANIFEST_NAME).is_file():
        return read_entry(folder / name)
    if (Path(name) / MANIFEST_NAME).is_file():
        return read_entry(Path(name))
    if name.endswith(".onnx") and Path(name).is_file():
        return bare_entry(Path(name))
    known = [entry.name for entry in list_entries(folder=folder)]
    nearest = difflib.get_close_matches(name, known, n=len(known) or 1, cutoff=0.0)
    there_are = f"; there are: {', '.join(nearest)}" if known else ", and the package has none at all"
    raise WeightsNotFoundError(f"there are no weights called {name!r}{there_are}")


def default_detector(folder: Path = PACKAGE_FOLDER) -> WeightsEntry:
    """Return the detector that is used when none is named.

    That is the one whose manifest has ``"default": true``, else the last by name.

    Raises:
        WeightsNotFoundError: The package has no detector.
        WeightsIntegrityError: A manifest cannot be understood.
    """
    detectors = list_entries("detector", folder)
    if not detectors:
        raise WeightsNotFoundError(f"there are no detector weights in {folder}; name a folder that has {MANIFEST_NAME}")
    chosen = [entry for entry in detectors if entry.manifest.get("default") is True]
    return (chosen or detectors)[-1]


def read_entry(folder: Path) -> WeightsEntry:
    """Return what the manifest in ``folder`` describes, without reading the weights.

    Raises:
        WeightsIntegrityError: The manifest lacks a field or is not JSON.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kind, file, sha256 = manifest["kind"], manifest["file"], manifest["sha256"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise WeightsIntegrityError(f"{path} is not a manifest with kind, file and sha256: {error!r}") from error
    if kind not in KINDS:
        raise WeightsIntegrityError(f"{path}: kind is {kind!r}; accepted are {', '.join(KINDS)}")
    if not is_plain_name(file):
        raise WeightsIntegrityError(f"{path}: file is {file!r}; it must be a name in the same folder")
    return WeightsEntry(folder.name, cast(Kind, kind), folder / file, str(sha256).lower(), manifest)


def bare_entry(file: Path) -> WeightsEntry:
    """Return the entry of a detector's ONNX file that has no manifest; its sha256 is that of the bytes found.

    Raises:
        WeightsNotFoundError: The file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsNotFoundError(f"{file} cannot be read: {error.strerror}") from error
    return WeightsEntry(file.stem, "detector", file, sha256, {})


def is_plain_name(name: object) -> bool:
    """Say whether ``name`` is one path component, so that it cannot leave its folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\\" not in name
