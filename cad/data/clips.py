# SPDX-License-Identifier: Apache-2.0
"""``ClipReader`` turns a media file into a training clip, read, tracked and aligned exactly as for a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME, slot_of
from cad.data.crop_coding import CodedCrops, as_frames, code_crops
from cad.data.forge.segment import cut
from cad.data.manifest import Row
from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX, Clip
from cad.errors import DataError
from cad.faces.align import canonical_points, similarity
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.pool import MediaPool
from cad.media.records import AudioSamples, MediaInfo, MediaKind


class ClipReader:
    """Reads files as clips, with one warm decoding process and one face net for all of them.

    Args:
        coded: Whether crops are coded as shards keep them, as soon as they are made: minutes of several faces then fit
            into memory. ``frames`` of the clips are ``CodedCrops``.

    Raises:
        WeightsError: The packaged face net is damaged.
    """

    def __init__(self, coded: bool = False) -> None:
        self._coded = coded
        self._pool = MediaPool()
        self._finder = FaceFinder()

    def close(self) -> None:
        """End the decoding process."""
        self._pool.close()

    def read(self, root: str | Path, row: Row) -> Clip:
        """Return the clip of one row, from where picture and sound have both begun.

        Of several faces it shows the one that is seen longest and largest.

        Raises:
            MediaError: The file cannot be read.
            DataError: The file has a picture but no face is found in it, or nothing is in the file.
        """
        with self._pool.open(Path(root) / row.path) as reader:
            sound = reader.audio()
            joints, is_still = reader.info.joint_slots, reader.info.kind is MediaKind.IMAGE
            tracker = FaceTracker(STORED_CROP_SIZE_PX, CROP_MARGIN_PX, self._finder, joints, is_still)
            crops: list[FaceCrops] = []
            slots = 0 if sound is None else len(sound.present)
            if reader.info.video is not None:
                for chunk in reader.video_chunks():
                    slots = max(slots, chunk.first_slot + len(chunk.frames))
                    crops += map(self._kept, tracker.push(chunk))
                crops += map(self._kept, tracker.flush())
            has_picture = reader.info.video is not None
            first = reader.info.video or reader.info.audio
            start_seconds = reader.info.origin_seconds - (first.start_seconds if first else 0.0)
            lead = _slots_before_both(reader.info)
        if has_picture and not crops:
            raise DataError("no face found")
        if slots == 0:
            raise DataError("zero-length clip")
        clip = replace(_clip_of(row, slots, _dominant(crops), sound), start_seconds=start_seconds)
        return cut(clip, lead, slots - lead) if 0 < lead < slots else clip

    def _kept(self, piece: FaceCrops) -> FaceCrops:
        return replace(piece, crops=as_frames(code_crops(piece.crops, piece.present))) if self._coded else piece


def _slots_before_both(info: MediaInfo) -> int:
    """Return how many slots pass before picture and sound have both begun: there is nothing to learn of the two."""
    starts = [stream.start_seconds for stream in (info.video, info.audio) if stream is not None]
    return slot_of(max(starts) - info.origin_seconds)


def _dominant(crops: Iterable[FaceCrops]) -> list[FaceCrops]:
    """Return the pieces of the track with the most face: seen slots times the square root of the box's area."""
    tracks: dict[int, list[FaceCrops]] = {}
    for piece in crops:
        tracks.setdefault(piece.track_id, []).append(piece)
    return max(tracks.values(), key=lambda pieces: sum(_weight(piece) for piece in pieces), default=[])


def _weight(piece: FaceCrops) -> float:
    sides = piece.boxes_px[piece.present, 2:] - piece.boxes_px[piece.present, :2]
    return float(np.sqrt(np.clip(sides, 0, None).prod(axis=1)).sum())


def _joined(pieces: list[FaceCrops], slots: int, name: str) -> NDArray[np.uint8]:
    """Return the crops of one track in their slots, black elsewhere; coded if they are."""
    crops: list[Any] = [piece.crops for piece in pieces]
    if isinstance(crops[0], CodedCrops):
        first_slots = (piece.first_slot for piece in pieces)
        return as_frames(CodedCrops.joined(zip(first_slots, crops, strict=True), slots, name))
    frames = np.zeros((slots, STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX, 3), np.uint8)
    for piece in pieces:
        frames[piece.first_slot : piece.first_slot + len(piece.crops)] = piece.crops
    return frames


def _clip_of(row: Row, slots: int, pieces: list[FaceCrops], sound: AudioSamples | None) -> Clip:
    frames = points = audio = None
    frames_present, audio_present = np.zeros(slots, bool), np.zeros(slots, bool)
    if pieces:
        frames = _joined(pieces, slots, row.path)
        points = np.zeros((slots, 5, 2), np.float32)
        target = canonical_points(STORED_CROP_SIZE_PX, CROP_MARGIN_PX)
        for piece in pieces:
            for index in np.flatnonzero(piece.present):
                slot = piece.first_slot + int(index)
                matrix = similarity(piece.points_px[index], target)
                points[slot] = piece.points_px[index] @ matrix[:, :2].T + matrix[:, 2]
                frames_present[slot] = True
    if sound is not None:
        audio = np.zeros(slots * SAMPLES_PER_FRAME, np.float32)
        audio[: len(sound.samples)] = sound.samples
        audio_present[: len(sound.present)] = sound.present
    return Clip(
        key=row.path,
        frames=frames,
        points_px=points,
        frames_present=frames_present,
        audio=audio,
        audio_present=audio_present,
        identity=row.identity,
        source=row.source,
        pair_id=row.pair_id,
    )
