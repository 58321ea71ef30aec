# SPDX-License-Identifier: Apache-2.0
"""probe gives the reader the MediaInfo of an open file: what it declares, and when its streams really begin."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.container import OpenContainer
from cad.media.grid import origin_seconds
from cad.media.orientation import UPRIGHT, Orientation, degrees_clockwise, exif_orientation, orientation_of
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo
from cad.media.stamps import StampReader, frames_per_second
from cad.media.tracks import pair_tracks

#: Names of containers that hold one still picture end like this.
_STILL_FORMATS = "_pipe"
#: Containers without an index: FFmpeg estimates their duration from the bit rate, too coarsely for a coverage.
_ESTIMATED_DURATION_FORMATS = {"aac", "ac3", "eac3", "adts", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu", "mp3"}
#: Containers whose length of the sound includes the empty chunks with which a muxer pads it (while B-frames delay the
#: picture); the picture says how far such a file goes.
_PADDED_SOUND_FORMATS = frozenset({"avi"})
#: A first frame further than this from the declared start has a damaged stamp.
_START_DISAGREEMENT_SECONDS = 10.0
#: Tags of a photograph stand near its beginning.
_EXIF_WITHIN_BYTES = 1 << 18
#: Longer tags are cut: a file may say what it likes of itself.
_TAG_CHARACTERS = 100
#: How many packets a stream may pass before the search for first frames ends.
_PROBE_PACKETS = 500


def probe(source: OpenContainer, on_packet: Callable[[], None]) -> MediaInfo:
    """Return what the file says of itself, decoding only as far as its streams' first frames."""
    first_seconds, orientations = _first_frames(source, on_packet)
    programs = source.programs()
    videos = tuple(
        _video_info(source, stream, number, programs, first_seconds.get(stream.index), orientations)
        for number, stream in enumerate(source.videos, start=1)
    )
    audios = tuple(
        _audio_info(source, stream, number, programs, first_seconds.get(stream.index))
        for number, stream in enumerate(source.audios, start=1)
    )
    kind = _kind(source)
    info = MediaInfo(
        path=source.name,
        kind=kind,
        container=source.container.format.name,
        size_bytes=os.fstat(source.fd).st_size,
        duration_seconds=0.0,
        origin_seconds=0.0,
        video=None if source.video is None else videos[source.videos.index(source.video)],
        audio=None if source.audio is None else audios[source.audios.index(source.audio)],
        videos=videos,
        audios=audios,
        undecodable=source.undecodable(),
    )
    # What a player plays may belong to another picture than the one it shows.
    first = pair_tracks(info)[0]
    audio = audios[first.audios[0] - 1] if first.audios else None
    durations = [s.declared_seconds for tracks in (videos, audios) for s in tracks if s.declared_seconds]
    return replace(
        info,
        audio=audio,
        duration_seconds=0.0 if kind is MediaKind.IMAGE else max(durations, default=_container_seconds(source)),
        origin_seconds=origin_seconds(info.video, audio),
    )


def orientation_in(source: OpenContainer, frame: Any) -> Orientation:
    """Return how a frame of the file must be turned to stand upright."""
    if _kind(source) is MediaKind.IMAGE:
        stated = exif_orientation(os.pread(source.fd, _EXIF_WITHIN_BYTES, 0))
        if stated is not None:
            return stated
    return orientation_of(frame)


def _first_frames(
    source: OpenContainer, on_packet: Callable[[], None]
) -> tuple[dict[int, float], dict[int, Orientation]]:
    """Return by stream the times of the first frames that decode, and how the pictures must be turned."""
    streams: list[VideoStream | AudioStream] = [*source.videos, *source.audios]
    frames = source.first_frames(on_packet, _PROBE_PACKETS * len(streams))
    seconds = {
        stream.index: StampReader(stream, source.container.format.name).seconds(frames[stream.index])
        for stream in streams
        if stream.index in frames
    }
    pictures = {stream.index: frames[stream.index] for stream in source.videos if stream.index in frames}
    return seconds, {index: orientation_in(source, frame) for index, frame in pictures.items()}


def _video_info(
    source: OpenContainer,
    stream: VideoStream,
    number: int,
    programs: dict[int, int],
    first_seconds: float | None,
    orientations: dict[int, Orientation],
) -> VideoStreamInfo:
    context, orientation = stream.codec_context, orientations.get(stream.index, UPRIGHT)
    start = _start(stream, first_seconds)
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
    )


def _audio_info(
    source: OpenContainer, stream: AudioStream, number: int, programs: dict[int, int], first_seconds: float | None
) -> AudioStreamInfo:
    context = stream.codec_context
    start = _start(stream, first_seconds)
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
    )


def _is_default(stream: VideoStream | AudioStream) -> bool:
    return bool(stream.disposition & type(stream.disposition).default)


def _tag(stream: VideoStream | AudioStream, name: str) -> str:
    """Return a tag of the stream, short and empty where it says nothing."""
    text = stream.metadata.get(name, "").strip()[:_TAG_CHARACTERS]
    return "" if text == "und" else text


def _start(stream: VideoStream | AudioStream, first_seconds: float | None) -> float:
    """Return when the stream begins: its first frame's time, unless that stamp is plainly damaged."""
    declared = None
    if stream.start_time is not None and stream.time_base is not None:
        declared = float(stream.start_time * stream.time_base)
    if first_seconds is None:
        return declared if declared is not None else 0.0
    if declared is not None and abs(first_seconds - declared) > _START_DISAGREEMENT_SECONDS:
        return declared
    return first_seconds


def _declared_seconds(source: OpenContainer, stream: VideoStream | AudioStream, start_seconds: float) -> float | None:
    """Return the length that the container states for this one stream."""
    name = source.container.format.name
    if name in _ESTIMATED_DURATION_FORMATS:
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


def _container_seconds(source: OpenContainer) -> float:
    """Return the length that the container states for all of it, 0 if it states none."""
    duration = source.container.duration
    if source.container.format.name in _ESTIMATED_DURATION_FORMATS or not duration or duration < 0:
        return 0.0
    return float(duration / av.time_base)


def _kind(source: OpenContainer) -> MediaKind:
    if source.video is None:
        return MediaKind.AUDIO
    return MediaKind.IMAGE if source.container.format.name.endswith(_STILL_FORMATS) else MediaKind.VIDEO
