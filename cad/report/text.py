# SPDX-License-Identifier: Apache-2.0
"""The verdict as text for a terminal: one line a file, and the evidence under it."""

from __future__ import annotations

from cad.errors import MediaError
from cad.media.tracks import NAMES
from cad.verdict.records import FaceSummary, Label, MediaSummary, MediaTrack, Segment, StreamEvidence, Verdict

#: More segments and faces than this are counted, not listed; JSON has them all.
MAX_LISTED = 8
#: What is said of a face's ``active_speaker``.
SPEAKS = {True: ", speaks", False: ", does not speak", None: ""}


def verdict_text(verdict: Verdict, verbose: bool = False) -> str:
    """Return a verdict as lines of text, without a newline at the end.

    With ``verbose`` they also say what was read, with which model, and where the time went.
    """
    lines = [headline(verdict)]
    lines += [stream_line(stream, evidence) for stream, evidence in verdict.streams.items()]
    lines += listed([segment_line(segment) for segment in verdict.segments], "segments")
    if len(verdict.faces) > 1 or verbose:
        lines += listed([face_line(face) for face in verdict.faces], "faces")
    # A reason that stands beside a stream already is not repeated.
    said = {evidence.reason for evidence in verdict.streams.values() if verdict.label is not Label.INCONCLUSIVE}
    lines += [f"  {reason.code}: {reason.text}" for reason in verdict.reasons if reason.text not in said]
    if verbose or any(one.number > 1 for one in verdict.media.tracks):
        lines += listed([track_line(track) for track in verdict.media.tracks], "tracks")
    if verbose:
        lines += [media_line(verdict.media), model_line(verdict), time_line(verdict)]
    return "\n".join(lines)


def headline(verdict: Verdict) -> str:
    """Return the line that has the answer."""
    chance = "" if verdict.probability_fake is None else f" (probability of fake {verdict.probability_fake:.2f})"
    return f"{printable(verdict.path)}: {verdict.label.value.upper()}{chance}"


def error_text(path: str, error: MediaError) -> str:
    """Return the line for a file that could not be read."""
    return f"{printable(path)}: ERROR ({error.code}) {printable(error.text)}"


def printable(text: str) -> str:
    r"""Return ``text`` with everything that a terminal would obey written out: a file's name may be hostile.

    Example:
        >>> printable("a\x1b[2Jb.mp4")
        'a\\x1b[2Jb.mp4'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


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
        f"{face.height_px:.0f} px{SPEAKS[face.active_speaker]}: {probability}"
    )


def track_line(track: MediaTrack) -> str:
    """Return one picture or sound of the file: what it is, what goes with it, and what it says by itself."""
    return f"  {track_name(track)}: {track_answer(track)}"


def track_name(track: MediaTrack) -> str:
    """Return which track it is, as the file tells, and what goes with it."""
    about = [track.codec, *(printable(text) for text in (track.language, track.title) if text)]
    about += ["default"] if track.is_default else []
    other = NAMES["audio" if track.kind == "video" else "video"]
    partners = f", with {other} {', '.join(map(str, track.partners))}" if track.partners else ""
    return f"{NAMES[track.kind]} {track.number} ({', '.join(about)}){partners}"


def track_answer(track: MediaTrack) -> str:
    """Return a track's own probability, or why there is none."""
    return f"not judged: {track.reason}" if track.probability_fake is None else f"{track.probability_fake:.2f}"


def media_line(media: MediaSummary) -> str:
    """Return what was read."""
    picture = f", {media.width}x{media.height}" if media.width else ""
    rate = f" at {media.fps:.2f} fps" if media.fps else ""
    sound = f", sound {media.audio_hz} Hz" if media.audio_hz else ""
    duration = f", {media.duration_seconds:.2f} s" if media.duration_seconds else ""
    return f"  media  {media.kind}{duration}{picture}{rate}{sound}, {media.coverage:.0%} read"


def model_line(verdict: Verdict) -> str:
    """Return which weights spoke, and on what."""
    return f"  model  {verdict.model.name} ({verdict.model.sha256[:12]}) on {', '.join(verdict.model.providers)}"


def time_line(verdict: Verdict) -> str:
    """Return where the time went."""
    return "  time   " + ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in verdict.seconds.items())


def listed(lines: list[str], name: str) -> list[str]:
    """Return the first MAX_LISTED lines and how many more there are."""
    rest = len(lines) - MAX_LISTED
    return lines if rest <= 0 else [*lines[:MAX_LISTED], f"  ... and {rest} more {name} (--json has all)"]
