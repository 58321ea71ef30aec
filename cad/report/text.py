# SPDX-License-Identifier: Apache-2.0
"""The verdict as text for a terminal: one line a file, and the evidence under it."""

from __future__ import annotations

from collections.abc import Mapping

from cad.errors import MediaError
from cad.media.tracks import NAMES
from cad.printable import printable
from cad.verdict.reasons import is_about_reading
from cad.verdict.records import FaceSummary, Label, MediaSummary, MediaTrack, Reason, Segment, StreamEvidence, Verdict
from cad.verdict.validity import percent

#: More segments and faces than this are counted, not listed; JSON has them all.
MAX_LISTED = 8
#: From this on it is said that a file's own clock does not begin at 0, in seconds.
OWN_CLOCK = 0.1
#: What is said of a face's ``active_speaker``.
SPEAKS = {True: ", speaks", False: ", does not speak", None: ""}


def verdict_text(verdict: Verdict, verbose: bool = False) -> str:
    """Return a verdict as lines of text, without a newline at the end; what a terminal would obey is written out.

    What kept the file from being read whole stands before the evidence, all other reasons after it. With ``verbose``
    the lines also say what was read, with which model, and where the time went.
    """
    lines = [headline(verdict)]
    lines += [reason_line(reason) for reason in verdict.reasons if is_about_reading(reason.code)]
    lines += [stream_line(stream, evidence) for stream, evidence in verdict.streams.items()]
    lines += listed([segment_line(segment) for segment in verdict.segments], "segments")
    if has_choice(verdict.media) or verbose:
        lines += listed([track_line(track) for track in verdict.media.tracks], "tracks")
    if len(verdict.faces) > 1 or verbose:
        lines += listed([face_line(face) for face in verdict.faces], "faces")
    # A reason that stands beside a stream already is not repeated.
    said = {evidence.reason for evidence in verdict.streams.values() if verdict.label is not Label.INCONCLUSIVE}
    lines += [
        reason_line(reason)
        for reason in verdict.reasons
        if reason.text not in said and not is_about_reading(reason.code)
    ]
    if verbose:
        lines += [media_line(verdict.media), *sandbox_lines(verdict.media), model_line(verdict)]
        lines += [f"  numbers {numbers_text(verdict)}"] if verdict.numbers else []
        lines += [time_line(verdict)]
    return "\n".join(printable(line) for line in lines)


def headline(verdict: Verdict) -> str:
    """Return the line that has the answer."""
    chance = "" if verdict.probability_fake is None else f" (probability of fake {verdict.probability_fake:.2f})"
    return f"{verdict.path}: {verdict.label.value.upper()}{chance}"


def reason_line(reason: Reason) -> str:
    """Return one reason."""
    return f"  {reason.code}: {reason.text}"


def error_text(path: str, error: MediaError) -> str:
    """Return the line for a file that could not be read."""
    return printable(f"{path}: ERROR ({error.code}) {error.text}")


def stream_line(stream: str, evidence: StreamEvidence) -> str:
    """Return one stream's own probability, or why there is none."""
    if evidence.probability_fake is None:
        return f"  {stream:<6} -     {evidence.reason}"
    return f"  {stream:<6} {evidence.probability_fake:.2f}"


def segment_line(segment: Segment) -> str:
    """Return one suspicious stretch."""
    return (
        f"  segment {segment.start_seconds:.2f} s to {segment.stop_seconds:.2f} s "
        f"({segment.stream}, {segment.probability_fake:.2f})"
    )


def face_line(face: FaceSummary) -> str:
    """Return one face: when, how large, whether it speaks, and its own probability."""
    probability = "not judged" if face.probability_fake is None else f"{face.probability_fake:.2f}"
    return (
        f"  face {face.track_id} {face.start_seconds:.2f} s to {face.stop_seconds:.2f} s, "
        f"{int(face.height_px)} px{SPEAKS[face.active_speaker]}: {probability}"
    )


def has_choice(media: MediaSummary) -> bool:
    """Say whether the file has several pictures or several sounds."""
    return any(sum(track.kind == kind for track in media.tracks) > 1 for kind in ("video", "audio"))


def track_line(track: MediaTrack) -> str:
    """Return one picture or sound of the file: what it is, what it says by itself, and with what goes with it."""
    return f"  track {track_name(track)}: {track_answer(track)}"


def track_name(track: MediaTrack) -> str:
    """Return which track it is, as the file tells."""
    about = [track.codec, *(text for text in (track.language, track.title) if text)]
    about += ["default"] if track.is_default else []
    return f"{NAMES[track.kind]} {track.number} ({', '.join(about)})"


def track_answer(track: MediaTrack) -> str:
    """Return a track's own probability and that of the worst pair of it, or why there is none."""
    if track.probability_fake is None:
        return f"not judged: {track.reason}"
    own = f"{track.probability_fake:.2f}"
    if track.pair_probability_fake is None or not track.partners:
        return own
    other = NAMES["audio" if track.kind == "video" else "video"]
    return f"{own}, {track.pair_probability_fake:.2f} with {other} {', '.join(map(str, track.partners))}"


def media_line(media: MediaSummary) -> str:
    """Return what was read, and the file's hash."""
    return f"  media  {media_text(media)}" + (f", sha256 {media.sha256}" if media.sha256 else "")


def media_text(media: MediaSummary) -> str:
    """Return what was read."""
    picture = f", {media.width}x{media.height}" if media.width else ""
    rate = f" at {media.fps:.2f} fps" if media.fps else ""
    sound = f", sound {media.audio_hz} Hz" if media.audio_hz else ""
    duration = f", {media.duration_seconds:.2f} s" if media.duration_seconds else ""
    own = f", second 0 is {media.start_seconds:.2f} s on its own clock" if abs(media.start_seconds) >= OWN_CLOCK else ""
    return f"{media.kind}{duration}{picture}{rate}{sound}{own}, {percent(media.coverage)} read"


def sandbox_lines(media: MediaSummary) -> list[str]:
    """Return the line that says what confined the process that decoded the file, if one did."""
    return [] if media.sandbox is None else [f"  bounds {sandbox_text(media.sandbox)}"]


def sandbox_text(sandbox: tuple[str, ...]) -> str:
    """Return what confined the decoding process."""
    return ", ".join(sandbox) or "none"


def model_line(verdict: Verdict) -> str:
    """Return which weights spoke, and on what."""
    model = verdict.model
    return f"  model  {model.name} (sha256 of the model {model.sha256[:12]}) on {', '.join(model.providers)}"


def numbers_text(verdict: Verdict) -> str:
    """Return the kind of file, and under which keys of the model its numbers stand: ``still: video@still``."""
    keys = dict.fromkeys(key for one in verdict.numbers.values() for key in (one.calibration, one.operating_point))
    return f"{verdict.domain.replace('_', ' ')}: {', '.join(key for key in keys if key)}"


def time_line(verdict: Verdict) -> str:
    """Return where the time went."""
    return f"  time   {time_text(verdict.seconds)}"


def time_text(seconds: Mapping[str, float]) -> str:
    """Return where the time went."""
    return ", ".join(f"{stage} {spent:.2f} s" for stage, spent in seconds.items())


def listed(lines: list[str], name: str) -> list[str]:
    """Return the first MAX_LISTED lines and how many more there are."""
    rest = len(lines) - MAX_LISTED
    return lines if rest <= 0 else [*lines[:MAX_LISTED], f"  ... and {rest} more {name} (--json has all)"]
