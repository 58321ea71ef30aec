# SPDX-License-Identifier: Apache-2.0
"""Says for the reasons how well a file was read, and why a stream of it was not judged.

Every function returns one sentence where what it says is true of the file, and None where it is not.
"""

from __future__ import annotations

import math

from cad.clock import seconds_of
from cad.media.records import MediaKind, Outcome
from cad.verdict.aggregate import MIN_FACE_HEIGHT_PX
from cad.verdict.calibrate import Calibrated
from cad.verdict.charges import NAMES

#: Under this share of a file no verdict is given.
MIN_COVERAGE = 0.5
#: From this share on a file is taken as read whole (containers round their durations).
FULL_COVERAGE = 0.98
#: With fewer pictures a second no movement of lips can be seen.
MIN_PICTURES_PER_SECOND = 5.0
#: More jumps of the time stamps than this are counted, not told.
_MOST_JOINTS = 5
#: Ways in which reading may end before the file does, other than by what has a reason of its own.
_STOPPED = (Outcome.TIMEOUT, Outcome.TOO_LARGE, Outcome.UNDECODABLE)


def is_read_whole(evidence: Calibrated) -> bool:
    """Say whether nothing of weight is missing; else what is absent is absent only from what could be read."""
    report = evidence.analysis.report
    broken = report.outcome in (Outcome.ENCRYPTED, Outcome.CRASHED, Outcome.CHANGED, *_STOPPED)
    return report.coverage >= FULL_COVERAGE and not broken


def is_judged(evidence: Calibrated, stream: str) -> bool:
    """Say whether picture (``video``) or sound (``audio``) had a part in what was judged."""
    return evidence.probabilities[stream] is not None or evidence.probabilities["fused"] is not None


def percent(share: float) -> str:
    """Return a share in whole percent, never rounded up to a limit that it is under."""
    return f"{math.floor(share * 100 + 1e-9)}%"


def changed_while_reading(evidence: Calibrated) -> str | None:
    """The file was changed while it was read: which bytes were judged cannot be said."""
    report = evidence.analysis.report
    return f"the file may not be what was judged: {report.text}" if report.outcome is Outcome.CHANGED else None


def encrypted(evidence: Calibrated) -> str | None:
    """The file is encrypted, whole or in part."""
    if evidence.analysis.report.outcome is not Outcome.ENCRYPTED:
        return None
    return f"the file is encrypted, whole or in part: {evidence.analysis.report.text}"


def crashed(evidence: Calibrated) -> str | None:
    """The decoder crashed, and what came after is not judged."""
    if evidence.analysis.report.outcome is not Outcome.CRASHED:
        return None
    return f"the decoder crashed on this file, and what came after is not judged: {evidence.analysis.report.text}"


def read_stopped(evidence: Calibrated) -> str | None:
    """A limit or a fault ended the reading before the end."""
    if evidence.analysis.report.outcome not in _STOPPED:
        return None
    return f"the file was not read and judged to its end: {evidence.analysis.report.text}"


def low_coverage(evidence: Calibrated) -> str | None:
    """Too little of the file could be read."""
    coverage = evidence.analysis.report.coverage
    if coverage >= MIN_COVERAGE:
        return None
    return f"only {percent(coverage)} of the file could be read; under {percent(MIN_COVERAGE)} no verdict is given"


def partly_read(evidence: Calibrated) -> str | None:
    """Not all of the file could be read."""
    report = evidence.analysis.report
    if not MIN_COVERAGE <= report.coverage < FULL_COVERAGE:
        return None
    return f"{percent(report.coverage)} of the file could be read; the verdict is about that part: {report.text}"


def joined_parts(evidence: Calibrated) -> str | None:
    """Time stamps jump: recordings joined, and where."""
    joints = evidence.analysis.info.joint_slots
    if not joints:
        return None
    when = ", ".join(f"{seconds_of(slot):.2f} s" for slot in joints[:_MOST_JOINTS])
    more = f" and {len(joints) - _MOST_JOINTS} times more" if len(joints) > _MOST_JOINTS else ""
    return f"the time stamps jump at {when}{more}: {len(joints) + 1} recordings in one file"


def not_judged(evidence: Calibrated) -> str | None:
    """The file holds more pictures, or a film behind a photograph, and the verdict is not about them."""
    besides = evidence.analysis.info.besides
    return f"the file also holds {' and '.join(besides)}; the verdict is about its main picture" if besides else None


def picture_unreadable(evidence: Calibrated) -> str | None:
    """There is a picture, but none decodes."""
    info, report = evidence.analysis.info, evidence.analysis.report
    if info.video is None or report.decoded_frames or is_judged(evidence, "video") or evidence.analysis.tracks:
        return None
    return "the file has a picture, but nothing of it could be read"


def audio_unreadable(evidence: Calibrated) -> str | None:
    """There is sound, but none decodes."""
    info = evidence.analysis.info
    is_there = info.audio is not None or "audio" in info.undecodable
    if not is_there or evidence.analysis.speech_slots is not None:
        return None
    return "the file has sound, but nothing of it could be read"


def sparse_picture(evidence: Calibrated) -> str | None:
    """Too few pictures a second to see lips move."""
    info, frames = evidence.analysis.info, evidence.analysis.report.decoded_frames
    if info.video is None or info.kind is not MediaKind.VIDEO or not frames or not is_read_whole(evidence):
        return None
    seconds = evidence.analysis.report.picture_seconds or info.video.declared_seconds
    if seconds is None or frames >= MIN_PICTURES_PER_SECOND * seconds:
        return None
    return (
        f"the picture has {_count(frames, 'frame')} in {seconds:.1f} s, under {MIN_PICTURES_PER_SECOND:.0f} a second: "
        "no movement of lips can be seen in it"
    )


def too_short(evidence: Calibrated) -> str | None:
    """The file is shorter than anything that the model can judge."""
    if not evidence.analysis.is_too_short:
        return None
    what = "the file is" if is_read_whole(evidence) else "what could be read of the file is"
    length, least = (seconds_of(slots) for slots in (evidence.analysis.slots, evidence.analysis.min_slots))
    return f"{what} {length:.2f} s long; at least {least:.2f} s are needed"


def no_picture(evidence: Calibrated) -> str | None:
    """The file has no picture."""
    info = evidence.analysis.info
    if info.video is not None:
        return None
    lacks = "the file has no picture"
    if info.videos and info.audio is not None:
        lacks = f"no picture of the file goes with sound {info.audio.number}"
    return lacks + ("; only its sound was judged" if is_judged(evidence, "audio") else "")


def no_face(evidence: Calibrated) -> str | None:
    """No face was found."""
    if evidence.analysis.info.video is None or _seen(evidence) or picture_unreadable(evidence):
        return None
    return f"no face was found in {_picture(evidence)}"


def face_too_small(evidence: Calibrated) -> str | None:
    """Every face is too small to judge."""
    if not _seen(evidence) or evidence.probabilities["video"] is not None:
        return None
    largest = max(track.height_px for track in evidence.analysis.tracks if track.seen_slots)
    if largest >= MIN_FACE_HEIGHT_PX:
        return None
    return (
        f"the largest face in {_picture(evidence)} is {math.floor(largest)} px high; faces under "
        f"{MIN_FACE_HEIGHT_PX:.0f} px are not judged"
    )


def face_too_short(evidence: Calibrated) -> str | None:
    """No face is seen for long enough."""
    large = [track.seen_slots for track in evidence.analysis.tracks if track.height_px >= MIN_FACE_HEIGHT_PX]
    if not any(large) or evidence.probabilities["video"] is not None or not _expects(evidence, "video"):
        return None
    return (
        f"no face of {MIN_FACE_HEIGHT_PX:.0f} px and more is seen for more than {seconds_of(max(large)):.2f} s in "
        f"{_picture(evidence)}, too little or too scattered to judge "
        f"(at least {seconds_of(evidence.analysis.min_slots):.2f} s close together are needed)"
    )


def no_audio(evidence: Calibrated) -> str | None:
    """The file has no sound."""
    info = evidence.analysis.info
    if info.audio is not None or "audio" in info.undecodable:
        return None
    lacks = "the file has no sound"
    if info.audios and info.video is not None:
        lacks = f"no sound of the file goes with picture {info.video.number}"
    return lacks + ("; only its picture was judged" if is_judged(evidence, "video") else "")


def no_speech(evidence: Calibrated) -> str | None:
    """The sound has no speech."""
    if evidence.analysis.info.audio is None or evidence.analysis.speech_slots != 0:
        return None
    return f"{_sound(evidence)} has no speech (silence, music, noise or other sound without a voice)"


def speech_too_short(evidence: Calibrated) -> str | None:
    """There is too little speech."""
    slots = evidence.analysis.speech_slots
    if not slots or evidence.probabilities["audio"] is not None or not _expects(evidence, "audio"):
        return None
    return (
        f"{_sound(evidence)} has {seconds_of(slots):.2f} s of speech, too little or too thin to judge "
        f"(at least {seconds_of(evidence.analysis.min_slots):.2f} s close together are needed)"
    )


def never_together(evidence: Calibrated) -> str | None:
    """Face and speech are never there at once."""
    given = evidence.probabilities
    if given["sync"] is not None or "sync" not in evidence.heads or given["video"] is None or given["audio"] is None:
        return None
    return "the face and the speech are never there at the same time"


def no_video_head(evidence: Calibrated) -> str | None:
    """The model does not judge the picture by itself."""
    return _no_head(evidence, "video")


def no_audio_head(evidence: Calibrated) -> str | None:
    """The model does not judge the sound by itself."""
    return _no_head(evidence, "audio")


def no_sync_head(evidence: Calibrated) -> str | None:
    """The model does not judge synchrony."""
    return _no_head(evidence, "sync")


def _no_head(evidence: Calibrated, stream: str) -> str | None:
    by_itself = "" if stream == "sync" else " by itself"
    return None if stream in evidence.heads else f"this model does not judge {NAMES[stream]}{by_itself}"


def _expects(evidence: Calibrated, stream: str) -> bool:
    """Say whether the model would judge the stream if there were enough of it."""
    return stream in evidence.heads and not evidence.analysis.is_too_short


def _seen(evidence: Calibrated) -> bool:
    return any(track.seen_slots for track in evidence.analysis.tracks)


def _picture(evidence: Calibrated) -> str:
    return "the picture" if is_read_whole(evidence) else "what could be read of the picture"


def _sound(evidence: Calibrated) -> str:
    return "the sound" if is_read_whole(evidence) else "what could be read of the sound"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
