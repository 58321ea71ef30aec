# SPDX-License-Identifier: Apache-2.0
"""Pools the windows of a file into the evidence that is calibrated: one raw logit a head, and one a face.

A head's logit for one face is the mean over time of the windows' logits, where overlapping windows share their
slots and slots without evidence do not count. With several faces:

- The **picture** of the file is, in every slot, that of the most suspicious face seen in it, each face taken at
  its own mean; then the mean over time. One forged face beside a genuine one is found, and a person whom cuts split
  into twenty short tracks is not given twenty chances of a false alarm.
- **Synchrony** is, in every slot, that of the face that speaks: the one whose sync logit, less a little for lips that
  move with the loudness, is lowest. Listeners' lips never fit the sound, and lips that do not move say nothing.
- **Fused** is that of the faces that carry the sound, in the slots in which they do. Faces that only listen are judged
  by their picture.
- **Sound** is that of the whole file, also where no face is seen.
- A face that **never moves** (a photograph on the wall) has no part in this where another face moves: it is no evidence
  of a genuine face, and it cannot speak. It is judged for itself, like every face.

A mean over a long file drowns a short forgery. So of picture and sound the **peaks** are kept, too: the highest stretch
of 2, 4, 8, ... seconds, up to half of what was judged. The highest of many stretches, like the worst of many faces, is
high by chance alone; how many there were goes along, and calibration takes off what chance adds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cad.faces.track_book import TrackSummary
from cad.values import ValueRecord
from cad.verdict.stretches import MIN_KNOWN_SHARE, SHORTEST_STRETCH_SLOTS, highest_stretch, stretch_lengths
from cad.verdict.timeline import (
    Line,
    Timeline,
    by_track,
    clip_line,
    faces_in,
    highest,
    lay_out,
    lowest,
    mean_or_none,
)
from cad.windows import WindowScore

#: Smaller faces do not show what the model looks for.
MIN_FACE_HEIGHT_PX = 40.0
#: Logits by which lips that follow the loudness perfectly speak for a face. Two faces and the sound of one of them (54
#: pairs of genuine val clips): the speaker is chosen over another talker in 91 % by synchrony alone, in 72 % by
#: loudness alone, in 94 % by this sum; over a still picture in 89, 100 and 98 %.
LIPS_LOGITS = 2.0
#: Of a face, or None for sound.
TrackId = TypeVar("TrackId", int, None)
#: A face carries the sound if it fits it best in this share of the slots in which both are there.
MIN_CARRIER_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """What the model says of one face.

    Attributes:
        track_id: Whose.
        carries_sound: Whether it is the face that fits the sound best most of the time; None without sound.
        video: Mean video logit.
        sync: Mean sync logit, or None without sound.
        fused: Mean fused logit over the slots in which it carries the sound, or None if it does not.
    """

    track_id: int
    carries_sound: bool | None
    video: float | None
    sync: float | None
    fused: float | None


@dataclass(frozen=True, slots=True)
class Peak:
    """The most suspicious stretch of a stream among those of one length, which the mean over a long file would drown.

    Attributes:
        stream: ``video`` or ``audio``.
        first_slot: Where it starts.
        stop_slot: Where it ends (half open).
        track_id: Whose face; None for sound.
        logit: Mean clip logit of the stretch, calibrated under ``<stream>_peak`` of the model's spec.
        chances: Among how many places for such a stretch in one face's time, or in the sound, it is the highest, to the
            power of how much of a window's noise its mean keeps (``1 / sqrt(windows)``).
        faces: Among how many faces it is the highest; 1 for sound.
    """

    stream: str
    first_slot: int
    stop_slot: int
    track_id: int | None
    logit: float
    chances: float = 1.0
    faces: float = 1.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evidence(ValueRecord):
    """What the model says of a file.

    Attributes:
        clip_logits: By head; None where there was nothing to judge.
        faces: Every face that is large and long enough.
        listeners_video: Video logit of the faces that do not carry the sound, or None.
        offsets_seconds: Offset of every window in which a face carries the sound.
        peaks: The highest stretch of every length that was scanned, by stream; none in a file of a few seconds.
        faces_at_once: Among how many faces the picture of a slot is the most suspicious: geometric mean over time.
    """

    clip_logits: Mapping[str, float | None]
    faces: tuple[FaceEvidence, ...]
    listeners_video: float | None
    offsets_seconds: tuple[float, ...]
    peaks: tuple[Peak, ...] = ()
    faces_at_once: float = 1.0


def aggregate(
    scores: Sequence[WindowScore],
    tracks: Sequence[TrackSummary],
    slots: int,
    min_slots: int,
    joints: Collection[int] = (),
) -> Evidence:
    """Return the evidence of a file from its windows.

    Args:
        scores: All windows of the file.
        tracks: All faces of the file.
        slots: Length of the file on the grid; no window may go past it.
        min_slots: In how many slots a face must be seen to be judged.
        joints: First slot of every later part of a file whose time jumps; no peak crosses one.
    """
    usable = {
        track.track_id for track in tracks if track.height_px >= MIN_FACE_HEIGHT_PX and track.seen_slots >= min_slots
    }
    by_face = {track_id: own for track_id, own in sorted(by_track(scores).items()) if track_id in usable}
    frozen = {track.track_id for track in tracks if track.is_frozen}
    # One after the other, since the lines of sixteen faces over four hours are 50 MB a head.
    speech = pool_speech(by_face, {track.track_id: track.lips.score for track in tracks}, frozen, slots)
    video = {track_id: clip_line(own, "video") for track_id, own in by_face.items()}
    shown = without(frozen, video)
    listening = (line for track_id, line in shown.items() if track_id not in speech.carriers)
    audio = clip_line(scores, "audio")
    return Evidence(
        clip_logits={
            # Without both streams the fused head knows no more than the head of the stream that is there.
            "fused": speech.fused,
            "video": worst_over_time(shown.values(), slots),
            "audio": mean_or_none(audio.values),
            "sync": speech.sync,
        },
        faces=tuple(
            FaceEvidence(
                track_id=track_id,
                carries_sound=track_id in speech.carriers if speech.carriers else None,
                video=mean_or_none(video[track_id].values),
                sync=speech.sync_of[track_id],
                fused=speech.fused_of.get(track_id),
            )
            for track_id in by_face
        ),
        listeners_video=worst_over_time(listening, slots) if speech.carriers else None,
        offsets_seconds=tuple(
            score.offset_seconds
            for track_id in speech.carriers
            for score in by_face[track_id]
            if score.has_video and score.has_audio and not np.isnan(score.offset_seconds)
        ),
        peaks=(*find_peaks("video", shown, slots, joints), *find_peaks("audio", {None: audio}, slots, joints)),
        faces_at_once=faces_at_once(shown.values(), slots),
    )


@dataclass(frozen=True, slots=True)
class Speech:
    """What the model says of faces and sound together.

    Attributes:
        carriers: The faces that carry the sound; none without sound.
        sync: Mean sync logit over time of the face that speaks, or None.
        fused: Mean fused logit over time of the faces that carry the sound, in the slots in which they do, or None.
        sync_of: Mean sync logit of every face, or None.
        fused_of: Mean fused logit of every face that carries the sound, or None.
    """

    carriers: set[int]
    sync: float | None
    fused: float | None
    sync_of: Mapping[int, float | None]
    fused_of: Mapping[int, float | None]


def pool_speech(
    by_face: Mapping[int, Sequence[WindowScore]], lips: Mapping[int, float], frozen: set[int], slots: int
) -> Speech:
    """Return what the windows of every face say of it and the sound together.

    Args:
        by_face: Windows by track.
        lips: By track how well the lips follow the loudness.
        frozen: Tracks that never move.
        slots: Length of the file.
    """
    sync = {track_id: clip_line(own, "sync") for track_id, own in by_face.items()}
    misfit = without(
        frozen, {track_id: misfit_line(own, sync[track_id], lips[track_id]) for track_id, own in by_face.items()}
    )
    best = lowest(misfit.values(), slots)
    carriers = find_carriers(misfit, best)

    def fused(track_id: int) -> Line:
        return carried(clip_line(by_face[track_id], "fused"), misfit[track_id], best)

    return Speech(
        carriers=carriers,
        sync=mean_or_none(lowest((carried(sync[one], misfit[one], best) for one in misfit), slots)),
        fused=worst_over_time(map(fused, carriers), slots),
        sync_of={track_id: mean_or_none(line.values) for track_id, line in sync.items()},
        fused_of={track_id: mean_or_none(fused(track_id).values) for track_id in carriers},
    )


def without(frozen: set[int], lines: Mapping[int, Line]) -> Mapping[int, Line]:
    """Return the lines of the faces that move, or all if no face that moves has a value anywhere."""
    moving = {track_id: line for track_id, line in lines.items() if track_id not in frozen}
    return moving if any(line.known.any() for line in moving.values()) else lines


def find_peaks(stream: str, lines: Mapping[TrackId, Line], slots: int, joints: Collection[int] = ()) -> list[Peak]:
    """Return the highest stretch of every length of a stream.

    Args:
        stream: ``video`` or ``audio``.
        lines: Clip logits by track, or under None for sound.
        slots: Length of the file.
        joints: No stretch crosses one.
    """
    known = {track_id: int(line.known.sum()) for track_id, line in lines.items()}
    judged = int(np.count_nonzero(faces_in(lines.values(), slots)))
    peaks = []
    for length in stretch_lengths(judged):
        # A face of which less is known has no stretch of this length.
        enough = {track_id: line for track_id, line in lines.items() if known[track_id] >= MIN_KNOWN_SHARE * length}
        found = [
            (stretch.mean, stretch, track_id)
            for track_id, line in enough.items()
            if (stretch := highest_stretch(line, length, joints)) is not None
        ]
        if found:
            # A face that is seen for less than a stretch has one place for it.
            places = [max(known[track_id] / length, 1.0) for track_id in enough]
            mean, stretch, track_id = max(found, key=lambda one: one[0])
            # The mean over a long stretch strays less, so that the highest of many is less high by chance.
            chances = (sum(places) / len(places)) ** math.sqrt(SHORTEST_STRETCH_SLOTS / length)
            peaks.append(Peak(stream, stretch.first_slot, stretch.stop_slot, track_id, mean, chances, len(places)))
    return peaks


def faces_at_once(lines: Iterable[Line], slots: int) -> float:
    """Return the geometric mean, over the slots in which a face is judged, of how many are; 1 without any.

    Example:
        >>> round(faces_at_once([Line(0, np.zeros(2)), Line(0, np.zeros(2)), Line(0, np.zeros(1))], 2), 3)
        2.449
    """
    count = faces_in(lines, slots)
    return float(np.exp(np.log(count[count > 0]).mean())) if count.any() else 1.0


def misfit_line(scores: Sequence[WindowScore], sync: Line, lips: float) -> Line:
    """Return how badly a face fits the sound: its sync logits, less a little for lips that move with the loudness.

    Where a model without such a head saw both streams, loudness alone decides.
    """
    both = lay_out(scores, "sync", lambda score: np.zeros(score.slots))
    return Line(sync.first_slot, np.where(sync.known, sync.values, both.values) - LIPS_LOGITS * lips)


def find_carriers(misfit: Mapping[int, Line], best: Timeline) -> set[int]:
    """Return the faces that carry the sound: none without sound, else at least one."""
    # The share of a face's slots with sound in which no face fits better.
    shares = {
        track_id: float((own.values <= own.of(best))[own.known].mean())
        for track_id, own in misfit.items()
        if own.known.any()
    }
    if not shares:
        return set()
    most = max(shares, key=lambda track_id: shares[track_id])
    return {track_id for track_id, share in shares.items() if share >= MIN_CARRIER_SHARE} | {most}


def carried(line: Line, own: Line, best: Timeline) -> Line:
    """Return ``line`` with the slots taken out in which another face fits the sound better.

    Args:
        line: Of a face.
        own: How badly it fits the sound in the same slots.
        best: How badly the face does that fits it best, over the whole file.
    """
    mine = ~own.known | (own.values <= own.of(best))
    return Line(line.first_slot, np.where(mine, line.values, np.nan))


def worst_over_time(lines: Iterable[Line], slots: int) -> float | None:
    """Return the mean over time of the highest face of every slot, each face at its own mean; None without any."""
    return mean_or_none(highest((level(line) for line in lines), slots))


def level(line: Line) -> Line:
    """Return a line with every value replaced by the mean of all."""
    mean = mean_or_none(line.values)
    return line if mean is None else Line(line.first_slot, np.where(line.known, mean, np.nan))
