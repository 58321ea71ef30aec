# SPDX-License-Identifier: Apache-2.0
"""TrackBook gives the detector what it remembers of every face once the crops have been scored and dropped."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.active_speaker import ActiveSpeaker, LipScore
from cad.faces.records import FaceCrops
from cad.faces.stillness import Stillness
from cad.faces.track import LOST_SLOTS

#: At most this many pictures of a face are kept; when there are more, every second one is dropped.
MAX_PICTURES = 16
#: And so many of all faces together (2.5 kB each): in a film of thousands of faces, fewer of each.
MAX_PICTURES_OF_ALL = 16_000
PICTURE_SIZE_PX = 96
JPEG_QUALITY = 80
#: The first pictures are taken this far apart.
FIRST_PICTURE_STEP_SLOTS = 5
#: A track without crops for this long, while others have some, has ended: FaceTracker goes on with none that was not
#: seen for LOST_SLOTS.
ENDED_SLOTS = 2 * LOST_SLOTS


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
    """Running facts of one track; ``stillness`` is None once it has ended, and ``is_frozen`` said then."""

    first_slot: int
    stop_slot: int
    heights_px: array[float] = field(default_factory=lambda: array("f"))
    pictures: list[FacePicture] = field(default_factory=list)
    picture_step: int = FIRST_PICTURE_STEP_SLOTS
    stillness: Stillness | None = field(default_factory=Stillness)
    is_frozen: bool = False


class TrackBook:
    """Notes when every face is seen, how large it is and how its lips move; keeps a few pictures if asked to.

    Of a track that has ended it keeps a few numbers a slot.

    Args:
        keep_pictures: Whether the report will show faces.
    """

    def __init__(self, keep_pictures: bool) -> None:
        self._notes: dict[int, _Notes] = {}
        self._open: set[int] = set()
        self._speaker = ActiveSpeaker()
        self._pictures = 0
        self._most_pictures = MAX_PICTURES if keep_pictures else 0

    def note(self, crops: FaceCrops) -> None:
        """Note what the next crops of a track show.

        Raises:
            ValueError: The track has ended.
        """
        for track_id in [one for one in self._open if self._notes[one].stop_slot < crops.first_slot - ENDED_SLOTS]:
            self._end(track_id)
        stop_slot = crops.first_slot + len(crops.present)
        notes = self._notes.get(crops.track_id)
        if notes is None:
            notes = self._notes[crops.track_id] = _Notes(crops.first_slot, stop_slot)
            self._open.add(crops.track_id)
        if notes.stillness is None:
            raise ValueError(f"track {crops.track_id} had no crops for more than {ENDED_SLOTS} slots and has ended")
        notes.stop_slot = stop_slot
        boxes = crops.boxes_px[crops.present]
        notes.heights_px.extend((boxes[:, 3] - boxes[:, 1]).tolist())
        self._speaker.push(crops)
        notes.stillness.push(crops.crops[crops.present])
        if self._most_pictures:
            self._keep_pictures(notes, crops)

    def summaries(self, loudness: NDArray[np.float64] | None) -> tuple[TrackSummary, ...]:
        """Return what is known of every track, by track; to be asked when all have ended.

        Args:
            loudness: Of the speech, by slot (``cad.loudness.slot_loudness``); None without sound.
        """
        for track_id in tuple(self._open):
            self._end(track_id)
        lips = {score.track_id: score for score in self._speaker.scores(loudness)}
        return tuple(
            TrackSummary(
                track_id=track_id,
                first_slot=notes.first_slot,
                stop_slot=notes.stop_slot,
                seen_slots=len(notes.heights_px),
                height_px=float(np.median(np.array(notes.heights_px, dtype=np.float64))) if notes.heights_px else 0.0,
                lips=lips[track_id],
                is_frozen=notes.is_frozen,
            )
            for track_id, notes in sorted(self._notes.items())
        )

    def pictures(self) -> dict[int, tuple[FacePicture, ...]]:
        """Return a few crops of every track, evenly spread, by track; none unless they were asked for."""
        return {track_id: tuple(notes.pictures) for track_id, notes in sorted(self._notes.items()) if notes.pictures}

    def _end(self, track_id: int) -> None:
        notes = self._notes[track_id]
        if notes.stillness is not None:
            # It holds two seconds of small pictures until it is asked, 0.1 MB.
            notes.is_frozen, notes.stillness = notes.stillness.is_frozen(), None
        self._speaker.end(track_id)
        self._open.discard(track_id)

    def _keep_pictures(self, notes: _Notes, crops: FaceCrops) -> None:
        """Add the pictures that are due to ``notes``, and thin all out when they become too many."""
        before = len(notes.pictures)
        for index in np.flatnonzero(crops.present):
            slot = crops.first_slot + int(index)
            if notes.pictures and slot < notes.pictures[-1].slot + notes.picture_step:
                continue
            notes.pictures.append(FacePicture(slot, encode_jpeg(crops.crops[index])))
            thin_out(notes, self._most_pictures)
        self._pictures += len(notes.pictures) - before
        while self._pictures > MAX_PICTURES_OF_ALL and self._most_pictures > 1:
            self._most_pictures //= 2
            for one in self._notes.values():
                thin_out(one, self._most_pictures)
            self._pictures = sum(len(one.pictures) for one in self._notes.values())


def thin_out(notes: _Notes, most: int) -> None:
    """Drop every second picture while there are more than ``most``."""
    while len(notes.pictures) > most:
        del notes.pictures[1::2]
        notes.picture_step *= 2


def encode_jpeg(crop: NDArray[np.uint8]) -> bytes:
    """Return a crop, uint8 (height, width, 3) RGB, as a small JPEG file."""
    small = cv2.resize(crop, (PICTURE_SIZE_PX, PICTURE_SIZE_PX), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(encoded)
