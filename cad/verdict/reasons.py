# SPDX-License-Identifier: Apache-2.0
"""Every reason that a verdict may give, for the rules that decide: a stable code and the sentence for a person."""

from __future__ import annotations

from cad.clock import seconds_of
from cad.verdict.aggregate import MIN_FACE_HEIGHT_PX
from cad.verdict.records import Reason

_DUBBING = "sound and lips do not belong together, which dubbing does too"
_NAMED = {
    "fused": "picture and sound together",
    "video": "the picture",
    "audio": "the sound",
    "listener": "the picture of a face that does not speak",
}

NO_PICTURE = Reason("no_picture", "the file has no picture; only its sound was judged")
NO_FACE = Reason("no_face", "no face was found in the picture")
NO_AUDIO = Reason("no_audio", "the file has no sound; only its picture was judged")
#: Sound that is declared but does not decode.
AUDIO_UNREADABLE = Reason("audio_unreadable", "the file has sound, but nothing of it could be read")
NO_SPEECH = Reason("no_speech", "the sound has no speech (silence, or a level that does not move as speech does)")
NEVER_TOGETHER = Reason("never_together", "the face and the speech are never there at the same time")
STILL_IMAGE = Reason("still_image", "a single picture shows nothing of movement or sound; it is weak evidence")
#: Why a video whose faces cannot be judged is not called real.
PICTURE_NOT_JUDGED = Reason(
    "picture_not_judged", "the sound alone raises no suspicion, but the picture could not be judged"
)
SYNC_ONLY = Reason("sync_only", f"{_DUBBING}; neither the picture nor the sound by itself looks forged")
#: The numbers of a model fresh from training mean nothing yet.
UNCALIBRATED = Reason(
    "uncalibrated",
    "this model was never calibrated on the evidence that decides here: its figure is a raw score, not a probability "
    "(export/calibrate.py gives it thresholds)",
)
#: Synchrony beside other evidence.
OUT_OF_SYNC = Reason("out_of_sync", _DUBBING)


def no_head(stream: str) -> Reason:
    """Return the reason for what the model was not made to judge."""
    judged = {**_NAMED, "sync": "whether lips and sound belong together"}[stream]
    return Reason(f"no_{stream}_head", f"this model does not judge {judged}")


def face_too_small(height_px: float) -> Reason:
    """Return the reason for faces that are too small to judge."""
    return Reason(
        "face_too_small",
        f"the largest face is {height_px:.0f} px high; faces under {MIN_FACE_HEIGHT_PX:.0f} px are not judged",
    )


def face_too_short(seen_slots: int, min_slots: int) -> Reason:
    """Return the reason for faces that are not seen for long enough."""
    return Reason(
        "face_too_short",
        f"the longest face is seen for {seconds_of(seen_slots):.2f} s, too little or too scattered to judge "
        f"(at least {seconds_of(min_slots):.2f} s close together are needed)",
    )


def speech_too_short(seconds: float, min_slots: int) -> Reason:
    """Return the reason for too little speech."""
    return Reason(
        "speech_too_short",
        f"the sound has {seconds:.2f} s of speech, too little or too thin to judge "
        f"(at least {seconds_of(min_slots):.2f} s close together are needed)",
    )


def too_short(duration_seconds: float, min_slots: int) -> Reason:
    """Return the reason for a file that is too short."""
    return Reason(
        "too_short", f"the file is {duration_seconds:.2f} s long; at least {seconds_of(min_slots):.2f} s are needed"
    )


def low_coverage(coverage: float, least: float) -> Reason:
    """Return the reason for a file of which too little could be read."""
    return Reason(
        "low_coverage", f"only {coverage:.0%} of the file could be read; under {least:.0%} no verdict is given"
    )


def partly_read(coverage: float, text: str) -> Reason:
    """Return the note that a part of the file is missing from the verdict."""
    return Reason("partly_read", f"{coverage:.0%} of the file could be read; the verdict is about that part: {text}")


def between_thresholds(probability: float, real_below: float, fake_from: float) -> Reason:
    """Return the reason for evidence that points neither way."""
    return Reason(
        "between_thresholds",
        f"the probability {probability:.2f} lies between {real_below:.2f} (real below) and {fake_from:.2f} (fake from)",
    )


def evidence_above(head: str, probability: float, threshold: float) -> Reason:
    """Return what raised the label fake."""
    return Reason(
        f"{head}_evidence", f"{_NAMED[head]}: probability {probability:.2f}, at or above the threshold {threshold:.2f}"
    )


def constant_offset(offset_seconds: float) -> Reason:
    """Return the note that the sound is shifted by the same time throughout."""
    way = "lags behind" if offset_seconds > 0 else "runs ahead of"
    return Reason(
        "constant_offset",
        f"the sound {way} the lips by about {abs(offset_seconds):.2f} s throughout, "
        "as after careless dubbing or muxing",
    )


def several_faces(count: int, worst_track_id: int) -> Reason:
    """Return which of several faces the file's picture evidence is about."""
    return Reason(
        "several_faces", f"{count} faces were judged; the most suspicious picture is that of face {worst_track_id}"
    )


def no_own_sound(number: int) -> Reason:
    """Return the reason for a picture without sound in a file that has some."""
    return Reason(NO_AUDIO.code, f"no sound of the file goes with picture {number}; only the picture was judged")


def no_own_picture(number: int) -> Reason:
    """Return the reason for a sound without picture in a file that has one."""
    return Reason(NO_PICTURE.code, f"no picture of the file goes with sound {number}; only the sound was judged")
