# SPDX-License-Identifier: Apache-2.0
"""probe gives the reader the MediaInfo of an open file: what it declares and what is there, and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.container import FORMATS_WITHOUT_DURATION, OpenContainer, is_encrypted, is_item
from cad.media.grid import origin_seconds, period_seconds
from cad.media.orientation import UPRIGHT, Orientation, degrees_clockwise, orientation_of
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo, in_words
from cad.media.stamps import StampReader
from cad.media.stated_size import stated_end_seconds, stated_packets, stated_samples, stated_share
from cad.media.stills import apng_frames, besides, still_orientation
from cad.media.survey import StreamSurvey, Survey
from cad.media.timeline import Timeline
from cad.media.tracks import pair_tracks

#: Names of formats of still pictures end like this (photographs laid end to end are motion JPEG).
_STILL_FORMATS = "_pipe"
#: Containers whose length of the sound includes the empty chunks with which a muxer pads it (while B-frames delay the
#: picture); the picture says how far such a file goes.
_PADDED_SOUND_FORMATS = frozenset({"avi"})
#: A declared length this near to that of the packets is the better one: it knows what an encoder put around them.
_DECLARED_WITHIN_SECONDS = 0.5
#: A first frame further than this from the first packet has a damaged stamp, or stands behind what does not decode.
_START_DISAGREEMENT_SECONDS = 10.0
#: A file that declares to last longer than this many pictures, and shows one, has lost the others.
_LENGTH_OF_ONE_PICTURE = 1.5
#: Longer tags are cut: a file may say what it likes of itself.
_TAG_CHARACTERS = 100
#: Lengths in packets and in seconds that are stated in one way and counted in another differ by so much.
_PACKETS_OFF, _SECONDS_OFF = 2, 0.1
#: The clock of transport streams has 33 bits at 90 kHz.
_TS_CLOCK_SECONDS = 2**33 / 90_000
#: Containers whose packets lie in the file in the order of time, so that a joint has its place among the bytes.
_STORED_IN_PARTS = frozenset({"mpegts"})
#: A fragmented file that begins within this is one from its start.
_FROM_THE_START_SECONDS = 1.0
#: So many packets of a stream are decoded in search of its first frame.
_PROBE_PACKETS = 500


def probe(source: OpenContainer, on_packet: Callable[[], None]) -> tuple[MediaInfo, Timeline]:
    """Return what the file says of itself and how its packets lie in time.

    Every packet is looked at, and those up to the streams' first frames are decoded.
    """
    streams: list[VideoStream | AudioStream] = [*source.videos, *source.audios]
    look = _look_over(source, streams, on_packet)
    survey = look.survey
    info = MediaInfo(
        path=source.name,
        kind=MediaKind.AUDIO,
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
        starts = {stream.index: _start(stream, timeline, look.first.get(stream.index)) for stream in streams}
        info = _with_tracks(info, source, starts, look)
        info = replace(info, origin_seconds=origin_seconds(info.video, *info.videos, *info.audios))
        timeline = survey.timeline(info.origin_seconds, None if source.video is None else source.video.index)
    kind = _kind(source, info.video, look)
    info = replace(
        info,
        kind=kind,
        besides=_besides(source, kind, look),
        duration_seconds=0.0 if kind is MediaKind.IMAGE else _duration(info, timeline),
        joint_slots=timeline.joint_slots,
        joint_seconds=_as_stored(timeline.joint_seconds, source),
    )
    return info, timeline


def orientation_in(source: OpenContainer, stream: VideoStream, frame: Any) -> Orientation:
    """Return how a frame of one of the file's pictures must be turned to stand upright."""
    if _has_still_format(source):
        stated = still_orientation(source.fd)
        if stated is not None:
            return stated
    return orientation_of(frame, stream.codec_context.name)


@dataclass(slots=True)
class _Look:
    """What all packets of a file and the first frames that decode tell.

    Attributes:
        survey: Of the packets.
        first: By index of the stream the number of the packet that gave the first frame, and its time in seconds.
        orientations: By index of the stream how the picture must be turned.
        sizes: By index of the stream width and height, as stored, of the first picture.
        alike: How many pictures of one size were seen in the stream that a player shows: none, one, or more.
        others: How many of another size.
    """

    survey: Survey
    first: dict[int, tuple[int, float]] = field(default_factory=dict)
    orientations: dict[int, Orientation] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    alike: int = 0
    others: int = 0

    def note(self, source: OpenContainer, stream: Any, frame: Any) -> None:
        """Note what a picture tells."""
        if not isinstance(frame, av.VideoFrame):
            return
        size = (frame.width, frame.height)
        if stream.index not in self.sizes:
            self.sizes[stream.index] = size
            self.orientations[stream.index] = orientation_in(source, stream, frame)
        if source.video is not None and stream.index == source.video.index:
            self.alike += self.sizes[stream.index] == size
            self.others += self.sizes[stream.index] != size


def _look_over(source: OpenContainer, streams: list[VideoStream | AudioStream], on_packet: Callable[[], None]) -> _Look:
    """Survey the file, decode each stream as far as its first frame, and a picture without sound to its second."""
    survey = Survey(streams, in_parts=source.container.format.name in _STORED_IN_PARTS)
    look = _Look(survey)
    readers = {stream.index: StampReader(stream, source.container.format.name) for stream in streams}
    # Behind a photograph there may be its map of gains and nothing else: only the end of the file tells.
    is_still, single = _has_still_format(source), source.video if not source.audios else None

    def is_known(stream: Any) -> bool:
        one_more = single is not None and stream.index == single.index and look.alike + look.others * (not is_still) < 2
        return stream.index in look.first and not one_more

    for packet in source.survey_packets(streams, on_packet):
        survey.push(packet, is_encrypted(packet))
        index, number = packet.stream_index, survey.streams[packet.stream_index].ordinal - 1
        if not is_known(packet.stream) and number < _PROBE_PACKETS:
            for frame in source.decode(packet)[:1]:
                look.first.setdefault(index, (number, readers[index].seconds(frame)))
                look.note(source, packet.stream, frame)
    for stream in streams:  # a decoder may hold all that there is of a short stream
        if not is_known(stream) and survey.streams[stream.index].ordinal < _PROBE_PACKETS:
            for frame in source.rest(stream)[:2]:
                look.first.setdefault(stream.index, (0, readers[stream.index].seconds(frame)))
                look.note(source, stream, frame)
    survey.finish(source.encrypted)
    timeline = survey.timeline()
    for stream in streams:
        found = survey.streams[stream.index]
        found.stated_share = _stated_share(source, stream, found, timeline)
    return look


def _stated_share(source: OpenContainer, stream: Any, found: StreamSurvey, timeline: Timeline) -> float:
    """Return the share of a stream which the file holds, of what exact headers state of it."""
    fd, name = source.fd, source.container.format.name
    shares = [stated_share(fd, name)]
    if stream.index_entries and found.packets:
        size = os.fstat(fd).st_size
        missing = sum(entry.pos + entry.size > size for entry in stream.index_entries)
        shares.append(found.packets / (found.packets + missing))
    if stated := stated_packets(fd, name):
        shares.append(min(1.0, (found.packets + _PACKETS_OFF) / stated))
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
    look: _Look,
) -> MediaInfo:
    """Return ``info`` with every picture and sound, and those among them that are judged first."""
    programs = source.programs()
    videos = tuple(
        _video_info(source, stream, number, starts[stream.index], look, programs)
        for number, stream in enumerate(source.videos, start=1)
    )
    sounds = {
        stream.index: _audio_info(source, stream, number, starts[stream.index], look.survey, programs)
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
    look: _Look,
    programs: dict[int, int],
) -> VideoStreamInfo:
    context, orientation = stream.codec_context, look.orientations.get(stream.index, UPRIGHT)
    found = look.survey.streams[stream.index]
    width, height = look.sizes.get(stream.index, (context.width, context.height))
    width, height = (height, width) if orientation[0] else (width, height)
    return VideoStreamInfo(
        codec=context.name,
        width_px=width,
        height_px=height,
        fps=found.fps,
        rotation_degrees=degrees_clockwise(orientation),
        start_seconds=start,
        declared_frames=stream.frames or apng_frames(source.fd),
        declared_seconds=_declared_seconds(source, stream, start),
        **_of_any_track(stream, number, programs, found),
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
        **_of_any_track(stream, number, programs, found),
    )


def _of_any_track(
    stream: VideoStream | AudioStream, number: int, programs: dict[int, int], found: StreamSurvey
) -> dict[str, Any]:
    """Return the fields that pictures and sounds have in common."""
    return {
        "number": number,
        "program": programs.get(stream.index),
        "is_default": bool(stream.disposition & type(stream.disposition).default),
        "language": _tag(stream, "language"),
        "title": _tag(stream, "title"),
        "packets": found.packets,
        "encrypted_packets": found.encrypted_packets,
        "stated_share": found.stated_share,
    }


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


def _kind(source: OpenContainer, video: VideoStreamInfo | None, look: _Look) -> MediaKind:
    """Return what the file holds: a single picture without sound is a still, whatever carries it.

    A file that has been cut short is none: what it declares, or damage, tells that there was more.
    """
    if video is None:
        return MediaKind.AUDIO
    if _has_still_format(source):
        # Photographs laid end to end are motion JPEG, unless an index calls them views of one scene; a smaller picture
        # behind a photograph is its map of gains for HDR.
        return MediaKind.VIDEO if look.alike > 1 and not besides(source.fd) else MediaKind.IMAGE
    seconds = video.declared_seconds or _container_seconds(source)
    has_one = video.declared_frames == 1 or (
        video.declared_frames is None and seconds <= _LENGTH_OF_ONE_PICTURE * period_seconds(video.fps)
    )
    is_whole = look.alike == 1 and look.others == 0 and source.bad_packets == 0
    return MediaKind.IMAGE if not source.audios and is_whole and has_one else MediaKind.VIDEO


def _container_seconds(source: OpenContainer) -> float:
    """Return the length that the container states for all of it, 0 if it states none."""
    duration = source.container.duration
    if source.container.format.name in FORMATS_WITHOUT_DURATION or not duration or duration < 0:
        return 0.0
    return float(duration / av.time_base)


def _has_still_format(source: OpenContainer) -> bool:
    return source.container.format.name.endswith(_STILL_FORMATS)


def _besides(source: OpenContainer, kind: MediaKind, look: _Look) -> tuple[str, ...]:
    if kind is MediaKind.IMAGE and _has_still_format(source):
        return besides(source.fd) or in_words(look.others, False)
    # A sequence of HEIF may come with pictures of their own; one that is no larger is its poster.
    width, height = (0, 0) if source.video is None else look.sizes.get(source.video.index, (0, 0))
    items = [s.codec_context for s in source.container.streams.video if s.codec_context is not None and is_item(s)]
    return in_words(sum(item.width * item.height > width * height > 0 for item in items), False)
