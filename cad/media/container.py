# SPDX-License-Identifier: Apache-2.0
"""OpenContainer gives the decoding process the frames of a file, packet by packet, however damaged it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.error import EOFError as AvEOFError
from av.error import FFmpegError
from av.error import MemoryError as AvMemoryError
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cad.closing import Closing
from cad.errors import MediaLimitError, MediaUnreadableError, MissingStreamError
from cad.media.limits import MediaLimits

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
#: After so much damage nothing more is to be expected.
MAX_READ_ERRORS_IN_A_ROW = 50


class OpenContainer(Closing):
    """One open file with its chosen streams.

    Args:
        fd: Descriptor of the file; it is read from its beginning, and not closed.
        name: What errors call the file.
        limits: What it may cost.

    Raises:
        MediaUnreadableError: No demuxer or decoder knows the content.
        MediaLimitError: It declares more streams, pixels or seconds than the limits allow.
        MissingStreamError: It has neither picture nor sound.
    """

    def __init__(self, fd: int, name: str, limits: MediaLimits) -> None:
        self.fd = fd
        self.name = name
        self.limits = limits
        self.bad_packets = 0
        self.container = open_container(fd, name)
        try:
            streams = self.container.streams
            pictures = [s for s in streams.video if s.codec_context is not None and not (_is_cover(s) or is_item(s))]
            self.video: VideoStream | None = _best(streams.best("video"), pictures)
            sounds = [s for s in streams.audio if s.codec_context is not None and s.codec_context.sample_rate > 0]
            self.audio: AudioStream | None = _best(streams.best("audio", related=self.video), sounds)
            self._check()
        except BaseException:
            self.container.close()
            raise
        if self.video is not None:
            self.video.codec_context.thread_type = "AUTO"
            self.video.codec_context.thread_count = limits.decoder_threads
            self.video.codec_context.options = {"max_pixels": str(limits.max_pixels_per_frame)}

    def close(self) -> None:
        """Close the container, not the descriptor."""
        self.container.close()

    def frames(
        self, *streams: VideoStream | AudioStream, on_packet: Callable[[], None] = lambda: None
    ) -> Iterator[VideoFrame | AudioFrame]:
        """Yield the decoded frames of the streams; skip damage and count it in ``bad_packets``.

        Args:
            streams: Of this source.
            on_packet: Called for every packet: the sign of life.
        """
        for stream in self.container.streams:
            if stream not in streams:
                stream.discard = Discard.all  # its packets are not even read
        for packet in self._packets(streams):
            on_packet()
            if packet.is_corrupt:
                self.bad_packets += 1
            for frame in self._decode(packet):
                if getattr(frame, "is_corrupt", False):
                    self.bad_packets += 1
                yield frame

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
        count = len(self.container.streams)
        if count > limits.max_streams:
            raise MediaLimitError(self.name, f"has {count} streams; the limit is {limits.max_streams}")
        if self.video is None and self.audio is None:
            raise _no_stream_error(self.name, self.container)
        if self.video is not None:
            limits.check_picture(self.name, self.video.codec_context.width, self.video.codec_context.height)
        limits.check_declared(self.name, (self.container.duration or 0) / av.time_base)


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


def _best(favourite: Any, usable: list[Any]) -> Any:
    """Return FFmpeg's favourite stream if it is usable, or else the first one that is."""
    return favourite if favourite in usable else next(iter(usable), None)


def _is_cover(stream: VideoStream) -> bool:
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
