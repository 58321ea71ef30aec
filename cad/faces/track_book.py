# SPDX-License-Identifier: Apache-2.0
"""TrackBook gives the detector what it remembers of every face once the crops have been scored and dropped."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.active_speaker import ActiveSpeaker, LipScore
from cad.faces.records import FaceCrops
from cad.faces.stillness import Stillness

#: At most this many pictures of a face are kept; when there are more, every second one is dropped.
MAX_PICTURES = 16
PICTURE_SIZE_PX = 96
JPEG_QUALITY = 80
#: The first pictures are taken this far apart.
FIRST_PICTURE_STEP_SLOTS = 5


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A small picture of a face for the report.

    Attributes:
        slot: Grid slot that it shows.
        jpeg: The picture as a JPEG file.
    """

    slot: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One face track as it was seen.

    Attributes:
        track_id: As in its windows.
        first_slot: Where it starts.
        stop_slot: Where it ends (half open).
        seen_slots: In how many slots between them the face was seen.
        height_px: Median height of its box in the file's pixels.
        lips: How its mouth moves, and how well that follows the loudness of the speech.
        is_frozen: Whether it never moves at all: a photograph, or a picture that stands still. False for a track too
            short to tell.
    """

    track_id: int
    first_slot: int
    stop_slot: int
    seen_slots: int
    height_px: float
    lips: LipScore
    is_frozen: bool = False


@dataclass(slots=True)
class _Notes:
    """Running facts of one track."""

    first_slot: int
    stop_slot: int
    heights_px: list[float] = field(default_factory=list)
    pictures: list[FacePicture] = field(default_factory=list)
    picture_step: int = FIRST_PICTURE_STEP_SLOTS
    stillness: Stillness = field(default_factory=Stillness)


class TrackBook:
    """Notes when every face is seen, how large it is and how its lips move; keeps a few pictures if asked to.

    Args:
        keep_pictures: Whether the report will show faces.
    """

    def __init__(self, keep_pictures: bool) -> None:
        self._keep_pictures = keep_pictures
        self._notes: dict[int, _Notes] = {}
        self._speaker = ActiveSpeaker()

    def note(self, crops: FaceCrops) -> None:
        """Note what the next crops of a track show."""
        stop_slot = crops.first_slot + len(crops.present)
        notes = self._notes.setdefault(crops.track_id, _Notes(crops.first_slot, stop_slot))
        notes.stop_slot = stop_slot
        boxes = crops.boxes_px[crops.present]
        notes.heights_px += (boxes[:, 3] - boxes[:, 1]).tolist()
        self._speaker.push(crops)
        notes.stillness.push(crops.crops[crops.present])
        if self._keep_pictures:
            keep_pictures(notes, crops)

    def summaries(self, loudness: NDArray[np.float64] | None) -> tuple[TrackSummary, ...]:
        """Return what is known of every track, by track.

        Args:
            loudness: Of the speech, by slot (``cad.loudness.slot_loudness``); None without sound.
        """
        lips = {score.track_id: score for score in self._speaker.scores(loudness)}
        return tuple(
            TrackSummary(
                track_id=track_id,
                first_slot=notes.first_slot,
                stop_slot=notes.stop_slot,
                seen_slots=len(notes.heights_px),
                height_px=float(np.median(notes.heights_px)) if notes.heights_px else 0.0,
                lips=lips[track_id],
                is_frozen=notes.stillness.is_frozen(),
            )
            for track_id, notes in sorted(self._notes.items())
        )

    def pictures(self) -> dict[int, tuple[FacePicture, ...]]:
        """Return a few crops of every track, evenly spread, by track; none unless they were asked for."""
        return {track_id: tuple(notes.pictures) for track_id, notes in sorted(self._notes.items()) if notes.pictures}


def keep_pictures(notes: _Notes, crops: FaceCrops) -> None:
    """Add the pictures that are due to ``notes``, and thin them out when they become too many."""
    for index in np.flatnonzero(crops.present):
        slot = crops.first_slot + int(index)
        if notes.pictures and slot < notes.pictures[-1].slot + notes.picture_step:
            continue
        notes.pictures.append(FacePicture(slot, encode_jpeg(crops.crops[index])))
        if len(notes.pictures) > MAX_PICTURES:
            del notes.pictures[1::2]
            notes.picture_step *= 2


def encode_jpeg(crop: NDArray[np.uint8]) -> bytes:
    """Return a crop, uint8 (height, width, 3) RGB, as a small JPEG file."""
    small = cv2.resize(crop, (PICTURE_SIZE_PX, PICTURE_SIZE_PX), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(encoded)
