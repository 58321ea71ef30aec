# SPDX-License-Identifier: Apache-2.0
"""OpenContainer gives the decoding process the frames of a file, packet by packet, however damaged it is."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.error import EOFError as AvEOFError
from av.error import FFmpegError
from av.error import MemoryError as AvMemoryError
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cad.closing import Closing
from cad.errors import MediaLimitError, MediaUnreadableError, MissingStreamError
from cad.media.encryption import encrypted_shares, states_encryption
from cad.media.limits import MediaLimits
from cad.media.stamps import in_seconds
from cad.media.tally import PacketTally
from cad.media.timeline import Restamper, Timeline

#: Demuxers that may look at a file, without playlists and scripts that name other files (hls, dash, concat
#: ...), devices, subtitles and text pictures, and data that is recognised only by its name.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg,wav,w64,flac,mp3,aac,ac3,eac3,"
    "aiff,au,caf,amr,amrnb,amrwb,h264,hevc,m4v,av1,obu,ivf,vc1,rm,mxf,nut,dv,gif,apng,mjpeg,opus,tta,wv,ape,adts,"
    "jpeg_pipe,jpegls_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,ppm_pipe,pgm_pipe,jpegxl_pipe,gif_pipe,j2k_pipe,psd_pipe"
)
#: What a JPEG begins with (the fourth byte of a JPEG-LS differs); it is not guessed at, since FFmpeg may take the film
#: behind a photograph for the whole file.
_JPEG_START, _JPEGLS_FRAME = b"\xff\xd8\xff", 0xF7
#: Containers that state no duration: FFmpeg estimates one from time stamps or the bit rate.
FORMATS_WITHOUT_DURATION = frozenset(
    {"aac", "ac3", "adts", "amr", "amrnb", "amrwb", "eac3", "h264", "hevc", "m4v", "mjpeg", "mp3"}
    | {"mpeg", "mpegts", "mpegvideo", "obu"}
)
#: Containers in which several programs may be sent as one.
_FORMATS_WITH_PROGRAMS = {"mpegts"}
#: FFmpeg's name of a layout whose channels stand in an order of their own, such as ``2 channels (FC+FL)``.
_OWN_ORDER = re.compile(r"\d+ channels \(.+\)")
#: After so much damage nothing more is to be expected.
MAX_READ_ERRORS_IN_A_ROW = 50


class OpenContainer(Closing):
    """One open file with its streams.

    Args:
        fd: Descriptor of the file; it is read from its beginning, and not closed.
        name: What errors call the file.
        limits: What it may cost.

    Attributes:
        encrypted: By index of the stream, the share of it that is encrypted.
        bad_packets: Damaged packets and frames that were met so far.
        tally: What became of the packets that were decoded.
        videos: Every picture that has a decoder and is no cover; the first one is number 1.
        audios: Every sound that has a decoder, likewise.
        video: The picture that a player shows.
        audio: The sound that it plays with it.

    Raises:
        MediaUnreadableError: No demuxer or decoder knows the content, or all of it is encrypted.
        MediaLimitError: It declares more streams, pixels or seconds than the limits allow.
        MissingStreamError: It has neither picture nor sound.
    """

    def __init__(self, fd: int, name: str, limits: MediaLimits) -> None:
        self.fd = fd
        self.name = name
        self.limits = limits
        self.bad_packets = 0
        self.tally = PacketTally()
        self.container = open_container(fd, name)
        try:
            streams = self.container.streams
            self.encrypted = encrypted_shares(fd, self.container)
            shown = [s for s in streams.video if s.codec_context is not None]
            self.videos: list[VideoStream] = [s for s in shown if not (_is_cover(s) or is_item(s))]
            self.video: VideoStream | None = _best(streams.best("video"), self.videos)
            # Of sound that is encrypted, or begins late in the file, nothing may be known yet, not even its rate.
            self.audios: list[AudioStream] = [s for s in streams.audio if s.codec_context is not None]
            self.audio: AudioStream | None = _best(streams.best("audio", related=self.video), self.audios)
            self._check()
        except BaseException:
            self.container.close()
            raise
        for stream in self.videos:
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = limits.decoder_threads
            stream.codec_context.options = {"max_pixels": str(limits.max_pixels_per_frame)}
        # Sound that begins late has no rate when the file is opened, and FFmpeg never chooses it for a picture.
        self._late = {stream.index for stream in self.audios if not stream.codec_context.sample_rate}
        self._channels = {stream.index: _take_channels(stream) for stream in self.audios}

    def close(self) -> None:
        """Close the container, not the descriptor."""
        self.container.close()

    def channels(self, stream: AudioStream) -> tuple[str, ...] | None:
        """Return the names of a sound's channels where they stand in no usual order; None: its frames know them."""
        return self._channels[stream.index]

    def undecodable(self) -> tuple[str, ...]:
        """Return the kinds, ``video`` and ``audio``, of the streams that cannot be decoded."""
        streams, usable = self.container.streams, {stream.index for stream in (*self.videos, *self.audios)}
        lost = [*(s for s in streams.video if not (_is_cover(s) or is_item(s))), *streams.audio]
        return tuple(stream.type for stream in lost if stream.index not in usable)

    def programs(self) -> dict[int, int]:
        """Return by index of a stream its program, counted from 1; nothing where there are not several of them."""
        if self.container.format.name not in _FORMATS_WITH_PROGRAMS:
            return {}
        sounds_of = {v.index: self._in_program_of(v, self.audios) | self._late for v in self.videos}
        pictures_of = {a.index: self._in_program_of(a, self.videos) for a in self.audios}
        programs: dict[int, int] = {}
        for one in sorted([*self.videos, *self.audios], key=lambda stream: (stream.type != "video", stream.index)):
            near = sounds_of.get(one.index, set()) | pictures_of.get(one.index, set())
            # Where a program has nothing of a kind FFmpeg takes that of others, but not the other way round.
            mine = {i for i in near if one.index in (pictures_of.get(i, set()) | sounds_of.get(i, set()))}
            known = [programs[i] for i in sorted(mine) if i in programs]
            programs[one.index] = known[0] if known else max(programs.values(), default=0) + 1
            programs.update({i: programs[one.index] for i in mine if i not in programs})
        return programs if len(set(programs.values())) > 1 else {}

    def _in_program_of(self, related: VideoStream | AudioStream, others: Any) -> set[int]:
        """Return the indexes of those that are in the program of a stream, or all of them if none is.

        PyAV does not tell of programs. But FFmpeg's choice of a stream that goes with another keeps to its program, and
        takes there what is marked as default.
        """
        found, kept = set(), [(one, one.disposition) for one in others]
        flags = type(related.disposition)
        for candidate in others:
            for one in others:
                one.disposition = flags.default if one is candidate else flags.hearing_impaired
            best = self.container.streams.best(candidate.type, related=related)
            if best is not None and best.index == candidate.index:
                found.add(candidate.index)
        for one, disposition in kept:
            one.disposition = disposition
        return found

    def frames(
        self,
        *streams: VideoStream | AudioStream,
        on_packet: Callable[[], None] = lambda: None,
        timeline: Timeline | None = None,
    ) -> Iterator[VideoFrame | AudioFrame]:
        """Yield the decoded frames of the streams; skip damage and count it in ``bad_packets`` and ``tally``.

        Args:
            streams: Of this source.
            on_packet: Called for every packet: the sign of life.
            timeline: On which the frames' stamps lie; None: the file's own.
        """
        for stream in self.container.streams:
            if stream not in streams:
                stream.discard = Discard.all  # its packets are not even read
        restampers = {stream.index: Restamper(timeline or Timeline(), stream.index) for stream in streams}
        for packet in self._packets(streams):
            on_packet()
            restamper = restampers[packet.stream.index]
            # A decoder must not predict pictures of one recording from those of another.
            if packet.size and restamper.restamp(packet) and packet.is_keyframe:
                yield from self._noted(self.rest(packet.stream), packet.stream)
            if packet.is_corrupt and not restamper.is_near_joint:
                self.bad_packets += 1
            yield from self._noted(self.decode(packet), packet.stream)
        self.bad_packets += sum(restamper.mended for restamper in restampers.values())

    def survey_packets(
        self, streams: Collection[VideoStream | AudioStream], on_packet: Callable[[], None] = lambda: None
    ) -> Iterator[Any]:
        """Yield the packets of the streams, undecoded, in the order of the file."""
        for stream in self.container.streams:
            if stream not in streams:
                stream.discard = Discard.all
        for packet in self._packets(tuple(streams)):
            on_packet()
            if packet.size:
                yield packet

    def decode(self, packet: Any) -> list[Any]:
        """Return the frames that a packet gives; damage is counted."""
        if packet.size and is_encrypted(packet):
            self.tally.fail(encrypted=True)
            return []
        seconds = None if packet.pts is None else in_seconds(packet.pts, packet.time_base)
        bad = self.bad_packets
        frames = self._decode(packet)
        if packet.size and not packet.is_discard:
            if self.bad_packets > bad:
                self.tally.fail()
            else:
                self.tally.feed(seconds)
        return frames

    def _noted(self, frames: Iterable[Any], stream: Any) -> Iterator[Any]:
        for frame in frames:
            if getattr(frame, "is_corrupt", False):
                self.bad_packets += 1
            self.tally.show(None if frame.pts is None else in_seconds(frame.pts, stream.time_base))
            yield frame

    def rest(self, stream: VideoStream | AudioStream) -> list[Any]:
        """Return what the decoder of a stream still holds, and let it start afresh."""
        frames: list[Any] = []
        try:
            frames = stream.decode(None)
        except AvMemoryError:
            raise
        except (FFmpegError, ValueError):
            self.bad_packets += 1
        stream.codec_context.flush_buffers()
        return frames

    def _packets(self, streams: tuple[Any, ...]) -> Iterator[Any]:
        errors_in_a_row = 0
        while errors_in_a_row < MAX_READ_ERRORS_IN_A_ROW:
            try:
                for packet in self.container.demux(*streams):
                    errors_in_a_row = 0
                    yield packet
                return
            except AvMemoryError:
                raise
            except IndexError:
                # A stream that appears while the file is read has no place in PyAV's table of streams, which demux()
                # then reads past its end: by chance it also flushes that stream and fails. All packets have been
                # read and the known streams flushed by then (mended in PyAV 19).
                return
            except FFmpegError:
                # The generator ends with an error; a new one goes on behind the damage.
                errors_in_a_row += 1
                self.bad_packets += 1

    def _decode(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
            return frames
        except (AvEOFError, AvMemoryError):
            raise
        except (FFmpegError, ValueError) as error:
            self.bad_packets += 1
            if isinstance(error, BlockingIOError):
                # The decoder holds output that nobody can fetch any more; start it afresh.
                packet.stream.codec_context.flush_buffers()
            return []

    def _check(self) -> None:
        limits = self.limits
        streams = self.container.streams
        count = sum(not _is_cover(stream) for stream in (*streams.video, *streams.audio))
        if count > limits.max_streams:
            raise MediaLimitError(self.name, f"has {count} pictures and sounds; the limit is {limits.max_streams}")
        if self.video is None and self.audio is None:
            raise encrypted_error(self.name) if self.encrypted else _no_stream_error(self.name, self.container)
        if self.video is not None:
            limits.check_picture(self.name, self.video.codec_context.width, self.video.codec_context.height)
        if self.container.format.name not in FORMATS_WITHOUT_DURATION:
            limits.check_declared(self.name, (self.container.duration or 0) / av.time_base)


def encrypted_error(name: str) -> MediaUnreadableError:
    """Return the error that says that all of a file is encrypted."""
    return MediaUnreadableError(name, "is encrypted: without its key nothing of it can be judged")


def is_encrypted(packet: Any) -> bool:
    """Return whether a packet says that its content is encrypted."""
    return bool(packet.has_sidedata("encryption_info"))


def open_container(fd: int, name: str) -> InputContainer:
    """Let FFmpeg open the file behind a descriptor, and nothing else.

    Raises:
        MediaUnreadableError: No demuxer knows the content.
        MediaLimitError: It takes too much memory.
    """
    # Only by descriptor: FFmpeg has no protocol with which it could open anything by name.
    options = {"fd": str(fd), "protocol_whitelist": "fd", "format_whitelist": DEMUXERS}
    head = os.pread(fd, 4, 0)
    form = "jpeg_pipe" if head.startswith(_JPEG_START) and head[-1] != _JPEGLS_FRAME else None
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        return av.open("fd:", mode="r", format=form, container_options=options, metadata_errors="replace")
    except AvMemoryError:
        raise
    except (FFmpegError, ValueError, UnicodeError) as error:
        if states_encryption(fd):
            raise encrypted_error(name) from error
        raise MediaUnreadableError(name, _why_unreadable(fd, error)) from error


def _why_unreadable(fd: int, error: Exception) -> str:
    with contextlib.suppress(OSError):
        head = os.pread(fd, 512, 0)
        if head and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head):
            return "is not a media file: its content is plain text"
        if not head.strip(b"\0"):
            return "is not a media file: it begins with nothing but zeros"
    reason = getattr(error, "strerror", None) or str(error)
    return f"is not a media file that can be decoded, or its header is damaged ({reason})"


def _take_channels(stream: AudioStream) -> tuple[str, ...] | None:
    """Return the names of channels that stand in an order of their own, which the decoder is made to forget.

    PyAV frees such a layout with every frame that has it, and FFmpeg frees it once more: memory is corrupted.
    """
    layout = stream.codec_context.layout
    if not layout.nb_channels or not _OWN_ORDER.fullmatch(layout.name):
        return None
    channels = tuple(channel.name for channel in layout.channels)
    stream.codec_context.layout = f"{len(channels)} channels"
    return channels


def _best(favourite: Any, usable: list[Any]) -> Any:
    """Return FFmpeg's favourite stream if it is usable, or else the first one that is."""
    return favourite if favourite in usable else next(iter(usable), None)


def _is_cover(stream: Stream) -> bool:
    flags = type(stream.disposition)
    return bool(stream.disposition & (flags.attached_pic | flags.timed_thumbnails))


def is_item(stream: VideoStream) -> bool:
    """Return whether it is the poster of a sequence (AVIF, HEIC): a single picture on a clock that only counts."""
    return stream.time_base == 1 and stream.frames == 1 and stream.duration is None


def _no_stream_error(name: str, container: InputContainer) -> Exception:
    unknown = [s.type for s in container.streams if s.type in ("video", "audio") and s.codec_context is None]
    kind, is_still = container.format.name.removesuffix("_pipe"), container.format.name.endswith("_pipe")
    if unknown and is_still:
        return MediaUnreadableError(name, f"no decoder for pictures of its kind ({kind})")
    if unknown:
        return MediaUnreadableError(name, f"no decoder for its {' and '.join(sorted(set(unknown)))} stream")
    return MissingStreamError(name, "has neither picture nor sound")
