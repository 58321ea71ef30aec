# SPDX-License-Identifier: Apache-2.0
"""Tells the rules which stream could be judged, why another could not, and what limits the verdict."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cad.clock import seconds_of
from cad.media.records import MediaKind
from cad.spec import HEADS, STREAMS
from cad.verdict import reasons
from cad.verdict.aggregate import MIN_FACE_HEIGHT_PX
from cad.verdict.analysis import Analysis
from cad.verdict.records import Reason

#: Under this share of a file no verdict is given.
MIN_COVERAGE = 0.5
#: From this share on a file is taken as read whole (containers round their durations).
FULL_COVERAGE = 0.98
#: Offsets under this are within what careful muxing leaves, and within the model's own error.
MIN_OFFSET_SECONDS = 0.12
#: Offsets are constant if this share of the windows is within MAX_OFFSET_SPREAD_SECONDS of the median.
CONSTANT_SHARE = 0.8
MAX_OFFSET_SPREAD_SECONDS = 0.06
MIN_OFFSET_WINDOWS = 2


def missing_streams(analysis: Analysis, heads: Collection[str] = HEADS) -> dict[str, Reason | None]:
    """Return by stream why it was not judged, None where it was; ``heads`` are those of the model."""
    why = {"video": missing_video, "audio": missing_audio, "sync": missing_sync}
    lacking = {stream: reasons.no_head(stream) for stream in STREAMS if stream not in heads}
    return {
        stream: lacking.get(stream) or why[stream](analysis) if analysis.clip_logits[stream] is None else None
        for stream in STREAMS
    }


def missing_video(analysis: Analysis) -> Reason:
    """Return why the picture was not judged."""
    if analysis.info.video is None:
        sound = analysis.info.audio
        return reasons.no_own_picture(sound.number) if sound and analysis.info.videos else reasons.NO_PICTURE
    if analysis.is_too_short:
        return reasons.too_short(seconds_of(analysis.slots), analysis.min_slots)
    if not any(track.seen_slots for track in analysis.tracks):
        return reasons.NO_FACE
    largest = max(track.height_px for track in analysis.tracks)
    if largest < MIN_FACE_HEIGHT_PX:
        return reasons.face_too_small(largest)
    return reasons.face_too_short(max(track.seen_slots for track in analysis.tracks), analysis.min_slots)


def missing_audio(analysis: Analysis) -> Reason:
    """Return why the sound was not judged."""
    if analysis.info.audio is None:
        if "audio" in analysis.info.undecodable:
            return reasons.AUDIO_UNREADABLE
        picture = analysis.info.video
        return reasons.no_own_sound(picture.number) if picture and analysis.info.audios else reasons.NO_AUDIO
    if analysis.speech_slots is None:
        return reasons.AUDIO_UNREADABLE
    if analysis.is_too_short:
        return reasons.too_short(seconds_of(analysis.slots), analysis.min_slots)
    if analysis.speech_slots == 0:
        return reasons.NO_SPEECH
    return reasons.speech_too_short(seconds_of(analysis.speech_slots), analysis.min_slots)


def missing_sync(analysis: Analysis) -> Reason:
    """Return why synchrony was not judged: what one of the two streams lacks."""
    if analysis.clip_logits["video"] is None:
        return missing_video(analysis)
    if analysis.clip_logits["audio"] is None:
        return missing_audio(analysis)
    return reasons.NEVER_TOGETHER


def validity_notes(analysis: Analysis, sync_is_suspicious: bool) -> list[Reason]:
    """Return what limits the verdict although it could be given."""
    notes = []
    if analysis.info.kind is MediaKind.IMAGE:
        notes.append(reasons.STILL_IMAGE)
    if MIN_COVERAGE <= analysis.report.coverage < FULL_COVERAGE:
        notes.append(reasons.partly_read(analysis.report.coverage, analysis.report.text))
    offset = constant_offset_seconds(analysis)
    if offset is not None and sync_is_suspicious:
        notes.append(reasons.constant_offset(offset))
    faces = [face for face in analysis.evidence.faces if face.video is not None]
    if len(faces) > 1:
        worst = max(faces, key=lambda face: face.video or 0.0)
        notes.append(reasons.several_faces(len(faces), worst.track_id))
    return notes


def constant_offset_seconds(analysis: Analysis) -> float | None:
    """Return the constant lag of the sound behind the lips in seconds; None where there is none, or it varies."""
    offsets = np.array(analysis.evidence.offsets_seconds)
    if len(offsets) < MIN_OFFSET_WINDOWS:
        return None
    middle = float(np.median(offsets))
    steady = np.mean(np.abs(offsets - middle) <= MAX_OFFSET_SPREAD_SECONDS) >= CONSTANT_SHARE
    return middle if steady and abs(middle) >= MIN_OFFSET_SECONDS else None
