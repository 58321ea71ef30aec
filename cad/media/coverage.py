# SPDX-License-Identifier: Apache-2.0
"""make_report gives a source its ReadReport: how much of what is there was decoded, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cad.clock import FRAME_RATE_HZ, seconds_of
from cad.errors import DecoderCrashedError, MediaError, MediaTimeoutError
from cad.media.messages import Progress
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, Outcome, ReadReport, VideoStreamInfo

#: Less than this share of a stream is a packet or two by which two ways of counting differ.
_ROUNDING = 0.005
_ROUNDING_PACKETS = 2
#: Formats that state how many pictures they have, and none of which may be left out.
_COUNTED_FORMATS = frozenset({"apng", "gif", "webp"})
#: So many joints are named, then they are counted.
_MAX_JOINTS_NAMED = 3


@dataclass(frozen=True, slots=True)
class StreamReading:
    """How reading one stream went.

    Attributes:
        progress: What was decoded.
        complete: Whether the decoder reached the end.
        error: What stopped it, if anything did.
        slots: How many slots of the grid it fills.
    """

    progress: Progress
    complete: bool
    error: MediaError | None = None
    slots: int = 0


def make_report(info: MediaInfo, picture: StreamReading | None, sound: StreamReading | None) -> ReadReport:
    """Return the report on a file whose streams were read like this; None: not yet, or there is no such stream."""
    unread = StreamReading(Progress(), complete=False)
    picture = None if info.video is None else picture or unread
    sound = None if info.audio is None else sound or unread
    pairs = [(stream, reading) for stream, reading in ((info.video, picture), (info.audio, sound))
             if stream is not None and reading is not None]  # fmt: skip
    coverage = min((_coverage(info, stream, reading) for stream, reading in pairs), default=0.0)
    readings = [reading for _, reading in pairs]
    errors = [reading.error for reading in readings if reading.error is not None]
    error = min(errors, key=lambda one: not isinstance(one, DecoderCrashedError), default=None)  # a crash is told first
    outcome = Outcome(error.code) if error is not None else _outcome(info, readings, coverage)
    bad = sum(reading.progress.bad_packets for reading in readings)
    return ReadReport(
        outcome=outcome,
        coverage=coverage,
        decoded_frames=picture.progress.decoded if picture else 0,
        decoded_audio_seconds=sound.progress.seconds if sound else 0.0,
        bad_packets=bad,
        text=_text(info, outcome, coverage, error, bad) + _joints(info) + _left_out(info),
        picture_seconds=seconds_of(picture.slots) if picture else 0.0,
        sound_seconds=seconds_of(sound.slots) if sound else 0.0,
    )


def out_of_time(
    report: ReadReport, error: MediaTimeoutError, reached_slots: Mapping[str, int], duration_seconds: float
) -> ReadReport:
    """Return the report on a file whose time was over before all that had been read of it was judged.

    Args:
        report: How well it could be read.
        error: What says so.
        reached_slots: By ``picture`` and ``sound`` the slot up to which each was judged.
        duration_seconds: Length of the file, 0 where it is not known.
    """
    seconds = {name: seconds_of(slot) for name, slot in reached_slots.items()}
    so_far = [f"its {name} was judged up to {until:.1f} s" for name, until in seconds.items()]
    whole = f" of {duration_seconds:.1f} s" if so_far and duration_seconds else ""
    share = min([1.0, *(until / duration_seconds for until in seconds.values() if duration_seconds)])
    return replace(
        report,
        outcome=Outcome.TIMEOUT,
        coverage=min(report.coverage, share),
        text="; ".join([f"it {error.text}", *so_far]) + whole,
    )


def _coverage(info: MediaInfo, stream: VideoStreamInfo | AudioStreamInfo, reading: StreamReading) -> float:
    """Return the share of one stream that was decoded, of what is there and of what exact headers state."""
    progress = reading.progress
    if progress.decoded == 0:
        return 0.0
    if stream is info.video and info.kind is MediaKind.IMAGE:
        return min(1.0, progress.seconds)
    share = _decoded_share(stream, reading)
    if isinstance(stream, VideoStreamInfo) and stream.declared_frames and info.container in _COUNTED_FORMATS:
        share = min(share, progress.decoded / stream.declared_frames)
    return share


def _decoded_share(stream: VideoStreamInfo | AudioStreamInfo, reading: StreamReading) -> float:
    progress = reading.progress
    if stream.packets is None:
        return _uncounted(stream, reading) * stream.stated_share
    present = max(stream.packets, progress.good_packets + progress.lost_packets)
    missed = present - progress.good_packets
    if reading.complete and missed - progress.lost_packets <= max(_ROUNDING_PACKETS, _ROUNDING * present):
        missed = progress.lost_packets
    return max(0.0, 1.0 - missed / present) * stream.stated_share if present else 0.0


def _uncounted(stream: VideoStreamInfo | AudioStreamInfo, reading: StreamReading) -> float:
    """Return the share of arrays that were read: frames against frames, as far as their number is known."""
    progress = reading.progress
    if reading.complete:
        return 1.0
    known = stream.declared_frames if isinstance(stream, VideoStreamInfo) else None
    return progress.decoded / max(known or 0, progress.decoded + progress.bad_packets)


def _outcome(info: MediaInfo, readings: list[StreamReading], coverage: float) -> Outcome:
    if _encrypted(info):
        return Outcome.ENCRYPTED
    if all(reading.progress.decoded == 0 for reading in readings):
        return Outcome.UNDECODABLE
    if coverage < 1.0 or any(reading.progress.bad_packets for reading in readings):
        return Outcome.PARTIAL
    if info.video is None:
        return Outcome.NO_VIDEO
    if info.audio is None and info.kind is MediaKind.VIDEO:
        return Outcome.NO_AUDIO
    return Outcome.OK


def _encrypted(info: MediaInfo) -> list[str]:
    """Return what of the file is encrypted, in words."""
    streams = (("picture", info.video), ("sound", info.audio))
    return [name for name, stream in streams if stream is not None and stream.encrypted_packets]


def _text(info: MediaInfo, outcome: Outcome, coverage: float, error: MediaError | None, bad_packets: int) -> str:
    damage = f", {bad_packets} damaged packet{'s' if bad_packets != 1 else ''}" if bad_packets else ""
    if error is not None:
        return f"reading stopped at {coverage:.1%} of the file: {error.text}{damage}"
    if outcome is Outcome.ENCRYPTED:
        names = _encrypted(info)
        verb = "are" if len(names) > 1 else "is"
        return f"its {' and '.join(names)} {verb} encrypted; {coverage:.1%} could be read{damage}"
    return {
        Outcome.UNDECODABLE: f"nothing of it decodes{damage}",
        Outcome.PARTIAL: f"{coverage:.1%} of what the file holds or declares could be read{damage}",
        Outcome.NO_VIDEO: "read completely; the file has sound and no picture",
        Outcome.NO_AUDIO: "read completely; the file has picture and no sound",
        Outcome.OK: "read completely",
    }[outcome]


def _left_out(info: MediaInfo) -> str:
    """Return what else the file holds, in words; empty where there is nothing else."""
    if not info.besides:
        return ""
    return f"; not judged: {' and '.join(info.besides)}"


def _joints(info: MediaInfo) -> str:
    """Return where the time stamps jump, in words; empty where they do not."""
    if not info.joint_slots:
        return ""
    named = [f"{slot / FRAME_RATE_HZ:.1f} s" for slot in info.joint_slots[:_MAX_JOINTS_NAMED]]
    rest = len(info.joint_slots) - len(named)
    more = f" and {rest} more times" if rest else ""
    return (
        f"; its time stamps jump at {', '.join(named)}{more}: "
        "the parts were judged one after the other, and nothing was paired across"
    )
