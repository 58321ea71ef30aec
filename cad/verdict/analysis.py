# SPDX-License-Identifier: Apache-2.0
"""What was measured of one file, before anything is decided: all that a verdict, a report or a table needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.media.records import MediaInfo, ReadReport
from cad.spec import ModelSpec
from cad.verdict.records import ModelSummary
from cad.windows import WindowScore


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A small picture of a face for the report.

    Attributes:
        slot: Grid slot that it shows.
        picture: uint8 (height, width, 3) RGB.
    """

    slot: int
    picture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One face track as it was seen.

    Attributes:
        track_id: As in its windows.
        first_slot: Where it starts.
        stop_slot: Where it ends (half open).
        seen_slots: In how many slots between them the face was seen.
        height_px: Median height of its box in the source picture.
        pictures: A few of its crops, evenly spread.
    """

    track_id: int
    first_slot: int
    stop_slot: int
    seen_slots: int
    height_px: float
    pictures: tuple[FacePicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything measured of one file; logits are raw, positive for fake, not calibrated.

    Attributes:
        path: As the caller named it.
        info: What the file says of itself.
        report: How well it could be read.
        scores: One entry a window, in the order in which they were scored.
        clip_logits: Logit of the whole file by head, None where the head was not used; these are what is calibrated.
        tracks: Every face that was seen.
        slots: Length of the file on the grid.
        speech_slots: In how many slots there is speech-like sound; None without a sound stream.
        spec: The model's.
        model: Which weights, on what.
        seconds: Wall-clock seconds by stage.
    """

    path: str
    info: MediaInfo
    report: ReadReport
    scores: tuple[WindowScore, ...]
    clip_logits: Mapping[str, float | None]
    tracks: tuple[TrackSummary, ...]
    slots: int
    speech_slots: int | None
    spec: ModelSpec
    model: ModelSummary
    seconds: Mapping[str, float]
