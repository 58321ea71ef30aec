# SPDX-License-Identifier: Apache-2.0
"""probe gives the reader the MediaInfo of an open file: what it declares and what is there, and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.container import FORMATS_WITHOUT_DURATION, OpenContainer, is_encrypted
from cad.media.grid import origin_seconds
from cad.media.orientation import UPRIGHT, Orientation, degrees_clockwise, exif_orientation, orientation_of
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo
from cad.media.stamps import StampReader, frames_per_second
from cad.media.stated_size import stated_end_seconds, stated_packets, stated_samples, stated_share
from cad.media.survey import Survey
from cad.media.timeline import Timeline
from cad.media.tracks import pair_tracks

#: Names of containers that hold one still picture end like this.
_STILL_FORMATS = "_pipe"
#: Containers whose length of the sound includes the empty chunks with which a muxer pads it (while B-frames delay the
#: picture); the picture says how far such a file goes.
_PADDED_SOUND_FORMATS = frozenset({"avi"})
#: A declared length this near to that of the packets is the better one: it knows what an encoder put around them.
_DECLARED_WITHIN_SECONDS = 0.5
#: A first frame further than this from the first packet has a damaged stamp, or stands behind what does not decode.
_START_DISAGREEMENT_SECONDS = 10.0
#: Tags of a photograph stand near its beginning.
_EXIF_WITHIN_BYTES = 1 << 18
#: Longer tags are cut: a file may say what it likes of itself.
_TAG_CHARACTERS = 100
#: Lengths in packets and in seconds that are stated in one way and counted in another differ by so much.
_PACKETS_OFF, _SECONDS_OFF = 2, 0.1
#: The clock of transport streams has 33 bits at 90 kHz.
_TS_CLOCK_SECONDS = 2**33 / 90_000
#: A fragmented file that begins within this is one from its start.
_FROM_THE_START_SECONDS = 1.0
#: So many packets of a stream are decoded in search of its first frame.
_PROBE_PACKETS = 500


def probe(source: OpenContainer, on_packet: Callable[[], None]) -> tuple[MediaInfo, Timeline]:
    """Return what the file says of itself and how its packets lie in time.

    Every packet is looked at, and those up to the streams' first frames are decoded.
    """
    kind = _kind(source)
    streams: list[VideoStream | AudioStream] = [*source.videos, *source.audios]
    survey, first, orientations = _look_over(source, streams, kind, on_packet)
    info = MediaInfo(
        path=source.name,
        kind=kind,
        container=source.container.format.name,
        size_bytes=os.fstat(source.fd).st_size,
        duration_seconds=0.0,
        origin_seconds=0.0,
        video=None,
        audio=None,
        undecodable=source.undecodable(),
    )
    # The grid begins with the first frames that decode; where later parts begin depends on it.
    timeline = survey.timeline()
    for _ in range(2):
        starts = {stream.index: _start(stream, timeline, first.get(stream.index)) for stream in streams}
        info = _with_tracks(info, source, starts, survey, orientations)
        info = replace(info, origin_seconds=origin_seconds(info.video, *info.videos, *info.audios))
        timeline = survey.timeline(info.origin_seconds, None if source.video is None else source.video.index)
    info = replace(
        info,
        duration_seconds=0.0 if kind is MediaKind.IMAGE else _duration(info, timeline),
        joint_slots=timeline.joint_slots,
        joint_seconds=_as_stored(timeline.joint_seconds, source),
    )
    return info, timeline


def orientation_in(source: OpenContainer, frame: Any) -> Orientation:
    """Return how a frame of the file must be turned to stand upright."""
    if _kind(source) is MediaKind.IMAGE:
        stated = exif_orientation(os.pread(source.fd, _EXIF_WITHIN_BYTES, 0))
        if stated is not None:
            return stated
    return orientation_of(frame)


def _look_over(
    source: OpenContainer, streams: list[VideoStream | AudioStream], kind: MediaKind, on_packet: Callable[[], None]
) -> tuple[Survey, dict[int, tuple[int, float]], dict[int, Orientation]]:
    """Survey the file, and decode each stream as far as its first frame.

    Returns:
        The survey; by index of the stream the number of the packet that gave the first frame, and the time of that in
        seconds; and how the pictures must be turned.
    """
    survey = Survey(streams)
    readers = {stream.index: StampReader(stream, source.container.format.name) for stream in streams}
    found: dict[int, tuple[int, float]] = {}
    orientations: dict[int, Orientation] = {}
    for packet in source.survey_packets(streams, on_packet):
        survey.push(packet, is_encrypted(packet))
        index, number = packet.stream_index, survey.streams[packet.stream_index].ordinal - 1
        if index not in found and number < _PROBE_PACKETS:
            for frame in source.decode(packet)[:1]:
                found[index] = (number, readers[index].seconds(frame))
                if packet.stream.type == "video":
                    orientations[index] = orientation_in(source, frame)
        if kind is MediaKind.IMAGE and found:
            break
    for stream in streams:  # a decoder may hold all that there is of a short stream
        if stream.index not in found and survey.streams[stream.index].ordinal < _PROBE_PACKETS:
            for frame in source.rest(stream)[:1]:
                found[stream.index] = (0, readers[stream.index].seconds(frame))
                if stream.type == "video":
                    orientations[stream.index] = orientation_in(source, frame)
    survey.finish(source.encrypted)
    for stream in streams:
        survey.streams[stream.index].stated_share = _stated_share(source, stream, survey)
    return survey, found, orientations


def _stated_share(source: OpenContainer, stream: Any, survey: Survey) -> float:
    """Return the share of a stream which the file holds, of what exact headers state of it."""
    fd, name, found = source.fd, source.container.format.name, survey.streams[stream.index]
    shares = [stated_share(fd, name)]
    if stream.index_entries and found.packets:
        size = os.fstat(fd).st_size
        missing = sum(entry.pos + entry.size > size for entry in stream.index_entries)
        shares.append(found.packets / (found.packets + missing))
    if stated := stated_packets(fd, name):
        shares.append(min(1.0, (found.packets + _PACKETS_OFF) / stated))
    timeline = survey.timeline()
    start, end = (times.get(stream.index, 0.0) for times in (timeline.start_seconds, timeline.end_seconds))
    if (samples := stated_samples(fd, name)) and stream.type == "audio":
        shares.append(_share_of_seconds(end - start, samples / stream.codec_context.sample_rate))
    # A fragment from the middle is no broken download: nothing says that the end belongs to it.
    if start <= _FROM_THE_START_SECONDS and (stated_end := stated_end_seconds(fd, name)):
        shares.append(_share_of_seconds(max(timeline.end_seconds.values()), stated_end))
    return max(min(shares), 0.0)


def _as_stored(seconds: tuple[float, ...], source: OpenContainer) -> tuple[float, ...]:
    """Return times as the file stores them: FFmpeg takes a step back in a transport stream for a counter run over."""
    return tuple(s % _TS_CLOCK_SECONDS if source.container.format.name == "mpegts" else s for s in seconds)


def _share_of_seconds(there: float, stated: float) -> float:
    return 1.0 if there >= stated - _SECONDS_OFF else there / stated


def _duration(info: MediaInfo, timeline: Timeline) -> float:
    """Return how long the file is: what is declared, unless its packets tell of another length."""
    tracks: list[VideoStreamInfo | AudioStreamInfo] = [*info.videos, *info.audios]
    surveyed = max(timeline.end_seconds.values(), default=info.origin_seconds) - info.origin_seconds
    ends = [one.start_seconds + one.declared_seconds for one in tracks if one.declared_seconds]
    declared = max(ends, default=info.origin_seconds) - info.origin_seconds
    near = abs(declared - surveyed) <= _DECLARED_WITHIN_SECONDS
    missing = any(one.stated_share < 1.0 for one in tracks)
    return declared if declared > 0 and (near or missing) else max(surveyed, 0.0)


def _with_tracks(
    info: MediaInfo,
    source: OpenContainer,
    starts: dict[int, float],
    survey: Survey,
    orientations: dict[int, Orientation],
) -> MediaInfo:
    """Return ``info`` with every picture and sound, and those among them that are judged first."""
    programs = source.programs()
    videos = tuple(
        _video_info(source, stream, number, starts[stream.index], survey, programs, orientations)
        for number, stream in enumerate(source.videos, start=1)
    )
    sounds = {
        stream.index: _audio_info(source, stream, number, starts[stream.index], survey, programs)
        for number, stream in enumerate(source.audios, start=1)
    }
    video = None if source.video is None else videos[source.videos.index(source.video)]
    audio = None if source.audio is None else sounds[source.audio.index]
    audios = tuple(sound for sound in sounds.values() if sound is not None)
    info = replace(info, video=video, audio=audio, videos=videos, audios=audios)
    # What a player plays may belong to another picture than the one it shows.
    scenes = pair_tracks(info)
    first = scenes[0].audios[:1] if scenes else ()
    return replace(info, audio=next((sound for sound in audios if sound.number in first), None))


def _video_info(
    source: OpenContainer,
    stream: VideoStream,
    number: int,
    start: float,
    survey: Survey,
    programs: dict[int, int],
    orientations: dict[int, Orientation],
) -> VideoStreamInfo:
    context, orientation = stream.codec_context, orientations.get(stream.index, UPRIGHT)
    found = survey.streams[stream.index]
    width, height = (context.height, context.width) if orientation[0] else (context.width, context.height)
    return VideoStreamInfo(
        codec=context.name,
        width_px=width,
        height_px=height,
        fps=frames_per_second(stream),
        rotation_degrees=degrees_clockwise(orientation),
        start_seconds=start,
        declared_frames=stream.frames or None,
        declared_seconds=_declared_seconds(source, stream, start),
        number=number,
        program=programs.get(stream.index),
        is_default=_is_default(stream),
        language=_tag(stream, "language"),
        title=_tag(stream, "title"),
        packets=found.packets,
        encrypted_packets=found.encrypted_packets,
        stated_share=found.stated_share,
    )


def _audio_info(
    source: OpenContainer, stream: AudioStream, number: int, start: float, survey: Survey, programs: dict[int, int]
) -> AudioStreamInfo | None:
    context, found = stream.codec_context, survey.streams[stream.index]
    if not found.packets and not context.sample_rate:
        return None  # it is announced, and not there
    return AudioStreamInfo(
        codec=context.name,
        sample_rate_hz=context.sample_rate,
        channels=context.channels,
        start_seconds=start,
        declared_seconds=_declared_seconds(source, stream, start),
        number=number,
        program=programs.get(stream.index),
        is_default=_is_default(stream),
        language=_tag(stream, "language"),
        title=_tag(stream, "title"),
        packets=found.packets,
        encrypted_packets=found.encrypted_packets,
        stated_share=found.stated_share,
    )


def _is_default(stream: VideoStream | AudioStream) -> bool:
    return bool(stream.disposition & type(stream.disposition).default)


def _tag(stream: VideoStream | AudioStream, name: str) -> str:
    """Return a tag of the stream, short and empty where it says nothing."""
    text = stream.metadata.get(name, "").strip()[:_TAG_CHARACTERS]
    return "" if text == "und" else text


def _start(stream: VideoStream | AudioStream, timeline: Timeline, first: tuple[int, float] | None) -> float:
    """Return when a stream begins on the timeline: its first frame's time, unless that stamp is plainly damaged."""
    surveyed = timeline.start_seconds.get(stream.index)
    if first is not None:
        seconds = first[1] + timeline.shift_at(stream.index, first[0])
        if surveyed is None or abs(seconds - surveyed) <= _START_DISAGREEMENT_SECONDS:
            return seconds
    if surveyed is not None:
        return surveyed
    return float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0


def _declared_seconds(source: OpenContainer, stream: VideoStream | AudioStream, start_seconds: float) -> float | None:
    """Return the length that the container states for this one stream."""
    name = source.container.format.name
    if name in FORMATS_WITHOUT_DURATION:
        return None
    if name in _PADDED_SOUND_FORMATS and stream.type == "audio" and source.video is not None:
        return None
    if stream.duration and stream.time_base is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    end = _end_by_tag(stream.metadata.get("DURATION", ""))
    return end - start_seconds if end is not None and end > start_seconds else None


def _end_by_tag(tag: str) -> float | None:
    """Return when the stream ends by a Matroska duration tag such as ``00:00:02.080000000``, in seconds."""
    try:
        hours, minutes, seconds = map(float, tag.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _kind(source: OpenContainer) -> MediaKind:
    if source.video is None:
        return MediaKind.AUDIO
    return MediaKind.IMAGE if source.container.format.name.endswith(_STILL_FORMATS) else MediaKind.VIDEO
