# SPDX-License-Identifier: Apache-2.0
"""Gives a calibration its clips: as they lie, genuine ones re-encoded, genuine ones cut out of step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Manifest
from cad.detector import Detector
from cad.errors import DataError, MediaError
from cad.evaluation.calibration.head_rows import HeadRows, joined_rows
from cad.evaluation.calibration.long_files import ClipLine, clip_lines
from cad.evaluation.calibration.stills import FRAMES, PICTURES, is_picture, recompress, still_part
from cad.evaluation.part import Make, Part
from cad.evaluation.parts import parts_of
from cad.evaluation.perturb.catalogue import Perturbation, perturb_file
from cad.evaluation.perturb.writer import Encoding
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.row_views import has_picture, sample_rows, views_of
from cad.verdict.analysis import Analysis
from cad.verdict.domain import domain_of

if TYPE_CHECKING:
    import pandas as pd

REENCODED_VIDEO = Perturbation(encoding=Encoding("h264", 30, "aac", 64_000))
REENCODED_SOUND = Perturbation(encoding=Encoding(audio="opus", bit_rate_bps=24_000))
SHIFTS_SECONDS = (-0.4, 0.4)
SAID_EVERY = 25

#: Takes lines of progress and of what went wrong.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AnalysedPart:
    """Rows of a manifest with what was measured of each: the code of the error if it could not be read or made."""

    rows: pd.DataFrame
    found: tuple[Analysis | str, ...]

    def head_logits(self, head: str) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Return raw logits and labels (1 fake) of the rows that judge a head (see ``views_of``)."""
        rows = self.head_rows(head)
        return rows.logits, rows.labels

    def head_rows(self, head: str, *, are_copies: bool = False, are_frames: bool = False) -> HeadRows:
        """Return the rows that judge a head, with where each comes from.

        Args:
            head: Whose logits.
            are_copies: Whether these are the re-encoded copies of other rows.
            are_frames: Whether these are stills that were cut out of clips.
        """
        view = next((view for view in views_of(self.rows) if view.head == head), None)
        logits = np.array([None if isinstance(one, str) else one.clip_logits[head] for one in self.found], dtype=float)
        mask = ~np.isnan(logits) & (np.False_ if view is None else view.mask)
        stratum = FRAMES if are_frames else PICTURES
        return HeadRows(
            logits=logits,
            labels=np.zeros(len(logits), np.int8) if view is None else view.labels,
            sources=self.rows["source"].to_numpy(dtype=object),
            identities=self.rows["identity"].to_numpy(dtype=object),
            domains=self.domains,
            strata=np.array([stratum if one == "still" else "" for one in self.domains], dtype=object),
            counts=np.full(len(logits), not are_copies),
        ).only(mask)

    @property
    def domains(self) -> NDArray[np.object_]:
        """Kind of file that each row turned out to be; empty text where it could not be read."""
        return np.array(["" if isinstance(one, str) else domain_of(one.info) for one in self.found], dtype=object)

    def genuine(self) -> list[Analysis]:
        """Return what was measured of the genuine rows that could be read."""
        pairs = zip(self.found, self.rows["label"], strict=True)
        return [one for one, label in pairs if label == 0 and not isinstance(one, str)]

    def of_domain(self, domain: str) -> AnalysedPart:
        """Return the rows of one kind of file."""
        own = self.domains == domain
        found = (one for one, is_own in zip(self.found, own, strict=True) if is_own)
        return AnalysedPart(self.rows[own].reset_index(drop=True), tuple(found))


@dataclass(frozen=True, slots=True)
class CalibrationClips:
    """All clips that a calibration rests on.

    Attributes:
        plain: The split as it lies on disk.
        copies: Its genuine rows re-encoded as a platform would.
        desync: Genuine clips cut out of step and dubbed, with controls cut alike: what the sync head is fitted on.
        further: More genuine clips, on which only the rise of the highest of many is fitted; None without any.
        frames: Stills cut out of clips of both classes, on which numbers for stills alone are fitted; None without any.
    """

    plain: AnalysedPart
    copies: AnalysedPart
    desync: AnalysedPart
    further: AnalysedPart | None = None
    frames: AnalysedPart | None = None

    def of_domain(self, domain: str) -> CalibrationClips:
        """Return the clips of one kind of file, frames among the stills."""
        parts = [None if one is None else one.of_domain(domain) for one in (self.further, self.frames)]
        return CalibrationClips(*(one.of_domain(domain) for one in (self.plain, self.copies, self.desync)), *parts)

    def head_rows(self, head: str) -> HeadRows:
        """Return the rows that a head is fitted on for one kind of file, frames among the stills."""
        parts = [self.plain.head_rows(head), self.copies.head_rows(head, are_copies=True)]
        return joined_rows([*parts, *([] if self.frames is None else [self.frames.head_rows(head, are_frames=True)])])

    def head_logits(self, head: str) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Return raw logits and labels (1 fake) of the rows that a head is fitted on."""
        parts = (self.desync,) if head == "sync" else (self.plain, self.copies)
        logits, labels = zip(*(part.head_logits(head) for part in parts), strict=True)
        return np.concatenate(logits), np.concatenate(labels)

    def genuine(self) -> list[Analysis]:
        """Return what was measured of the genuine clips and their copies, as whole files."""
        return [*self.plain.genuine(), *self.copies.genuine()]

    def lines(self, stream: str, label: int) -> list[ClipLine]:
        """Return the lines of the clips whose ``stream`` is genuine (label 0) or forged (1), copies among them."""
        parts = [self.plain, self.copies, *([] if self.further is None else [self.further])]
        return [line for part in parts for line in clip_lines(part.rows, part.found, stream, label)]

    def lone_faces(self, head: str) -> NDArray[np.float64]:
        """Return the raw logits of a head of all genuine clips in which one face was judged."""
        genuine = [one for part in (self, self.further, self.frames) if part is not None for one in part.genuine()]
        logits = [one.clip_logits[head] for one in genuine if len(one.evidence.faces) == 1]
        return np.array([logit for logit in logits if logit is not None])

    @property
    def unreadable(self) -> int:
        """How many clips could not be read or made."""
        parts = [self.plain, self.copies, self.desync, *([] if self.frames is None else [self.frames])]
        return sum(isinstance(one, str) for part in parts for one in part.found)


def gather_clips(
    detector: Detector,
    manifest: Manifest,
    split: str,
    clips: int,
    desync_clips: int | None,
    say: Say,
    further: Manifest | None = None,
    still_frames: int = 0,
) -> CalibrationClips:
    """Return what ``detector`` measures of everything that a calibration rests on.

    Args:
        detector: With the model that is to be calibrated.
        manifest: Of which one split is used.
        split: Its name.
        clips: At most so many rows of each class; 0 takes all.
        desync_clips: From how many genuine clips the sync head's fakes are made; None makes none.
        say: Called with progress and with clips that could not be made.
        further: More clips, of which the genuine ones are used, whatever their split.
        still_frames: Out of how many clips of each class, at most, a frame is cut as a still.

    Raises:
        DataError: The split has no row.
    """
    rows = split_part(Kind.CONDITIONS, manifest, split, clips)
    parts = (rows, reencoded_part(rows), desync_part(manifest, split, desync_clips, say))
    plain, copies, desync = (analyse_part(detector, part, say) for part in parts)
    more = None if further is None else analyse_part(detector, genuine_part(further, clips), say)
    frames = analyse_part(detector, still_part(manifest, split, still_frames), say) if still_frames else None
    return CalibrationClips(plain, copies, desync, more, frames)


def split_part(kind: Kind, manifest: Manifest, split: str, clips: int) -> Part:
    """Return the rows of one kind of protocol as a single part, at most ``clips`` of each class (0 takes all).

    Raises:
        DataError: The split has no such row.
    """
    import pandas

    protocol = Protocol(f"calibrate-{kind}", kind, "", split=split, shifts_seconds=SHIFTS_SECONDS, clips=clips)
    parts = list(parts_of(protocol, {split: manifest}))
    rows = pandas.concat([part.rows for part in parts], ignore_index=True)
    makes = {path: make for part in parts for path, make in part.makes.items()}
    # The control of a shift stands beside the shift; the same control of two parts counts once.
    return Part(str(kind), rows.drop_duplicates("path", ignore_index=True), manifest.root, makes, {})


def desync_part(manifest: Manifest, split: str, clips: int | None, say: Say) -> Part:
    """Return clips cut out of step and in step; no rows where no genuine clip has picture and sound for long enough."""
    try:
        if clips is not None:
            return split_part(Kind.DESYNC, manifest, split, clips)
    except DataError as error:
        say(f"sync: {error}")
    return Part(str(Kind.DESYNC), manifest.rows.iloc[:0], manifest.root, {}, {})


def reencoded_part(plain: Part) -> Part:
    """Return the genuine rows as copies that a platform would make."""
    real = plain.rows[plain.rows["label"] == 0]
    changes = (REENCODED_VIDEO if seen else REENCODED_SOUND for seen in has_picture(real))
    makes: dict[str, Make] = {
        f"{path}#copy": partial(recompress, plain.root / path)
        if is_still
        else partial(perturb_file, plain.root / path, change=change)
        for path, change, is_still in zip(real["path"], changes, is_picture(real), strict=True)
    }
    return Part("copies", real.assign(path=list(makes)), plain.root, makes, {})


def genuine_part(manifest: Manifest, clips: int) -> Part:
    """Return the genuine rows, at most ``clips`` of them (0 takes all)."""
    rows = sample_rows(manifest.rows[manifest.rows["label"] == 0], clips, seed=0)
    return Part("genuine", rows.reset_index(drop=True), manifest.root, {}, {})


def analyse_part(detector: Detector, part: Part, say: Say) -> AnalysedPart:
    """Return what the detector measures of each row, made if it must be; an unreadable one is counted, not fatal."""
    found: list[Analysis | str] = []
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        for number, path in enumerate(part.rows["path"], start=1):
            try:
                with part.file_of(path, Path(folder)) as file:
                    found.append(detector.analyse(file))
            except MediaError as error:
                found.append(error.code)
            except DataError as error:
                say(f"{path}: {error}")
                found.append("not_made")
            if number % SAID_EVERY == 0 or number == len(part.rows):
                say(f"{part.name}: {number}/{len(part.rows)}")
    return AnalysedPart(part.rows, tuple(found))
