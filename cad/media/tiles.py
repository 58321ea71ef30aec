# SPDX-License-Identifier: Apache-2.0
"""TiledPicture gives the decoding process the photograph of a HEIC or AVIF file, put together from its tiles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.error import MemoryError as AvMemoryError
from numpy.typing import NDArray

from cad.closing import Closing
from cad.errors import MediaUnreadableError
from cad.media.container import open_container
from cad.media.heif import PictureMap, Tile
from cad.media.limits import MediaLimits
from cad.media.orientation import degrees_clockwise
from cad.media.records import MediaInfo, MediaKind, VideoStreamInfo, in_words

#: Colour spaces that are told by coefficients of a luma; the others are not YUV.
_LUMA_MATRICES = (1, 4, 5, 6, 7, 9, 10)
#: FFmpeg's numbers of the range that uses some and all values.
_LIMITED_RANGE, _FULL_RANGE = 1, 2


class TiledPicture(Closing):
    """The main picture of a HEIC or AVIF still: a single coded picture or a grid of them.

    Args:
        fd: Descriptor of the file; not closed.
        name: What errors call it.
        limits: What it may cost.
        picture: How it is put together.

    Raises:
        MediaUnreadableError: No decoder knows its tiles.
        MediaLimitError: It has more pixels than the limits allow.
    """

    def __init__(self, fd: int, name: str, limits: MediaLimits, picture: PictureMap) -> None:
        self.bad_packets = 0
        self.orientation = picture.orientation
        self._picture = picture
        self._limits = limits
        limits.check_picture(name, picture.width, picture.height)
        self._container = open_container(fd, name)
        try:
            self._streams = self._tile_streams(name)
        except BaseException:
            self._container.close()
            raise
        width, height = picture.crop[2:]
        video = VideoStreamInfo(
            codec=next(iter(self._streams.values())).codec_context.name,
            width_px=height if picture.orientation[0] else width,
            height_px=width if picture.orientation[0] else height,
            fps=0.0,
            rotation_degrees=degrees_clockwise(picture.orientation),
            start_seconds=0.0,
            declared_frames=1,
            declared_seconds=None,
        )
        self.info = MediaInfo(
            path=name,
            kind=MediaKind.IMAGE,
            container="heif",
            size_bytes=os.fstat(fd).st_size,
            duration_seconds=0.0,
            origin_seconds=0.0,
            video=video,
            audio=None,
            videos=(video,),
            besides=in_words(picture.others, picture.has_video),
        )

    def frames(self, on_packet: Callable[[], None]) -> Iterator[tuple[float, Any]]:
        """Yield the picture, uncut tiles put in their places; tiles that do not decode stay black and are counted."""
        canvas: Any = None
        for tile, frame in self._decoded(on_packet):
            if frame is None:
                self.bad_packets += 1
                continue
            canvas = canvas or _canvas(frame, self._picture)
            if frame.format.name != canvas.format.name:
                frame = frame.reformat(format=canvas.format.name)
            _paste(frame, canvas, tile, self._picture)
        if canvas is not None:
            yield 0.0, canvas

    def share(self, frame: Any) -> float:
        """Return how many of the tiles were decoded, as a share."""
        return 1.0 - self.bad_packets / len(self._picture.tiles)

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def _tile_streams(self, name: str) -> dict[int, Any]:
        """Return FFmpeg's streams of the tiles that it knows, by item."""
        wanted = {tile.item for tile in self._picture.tiles}
        found: dict[int, Any] = {}
        for stream in self._container.streams.video:
            # The pictures of a sequence in the same file have a clock of their own, and may have the same number.
            if stream.id in wanted and stream.time_base == 1 and stream.codec_context is not None:
                self._limits.check_picture(name, stream.codec_context.width, stream.codec_context.height)
                found.setdefault(stream.id, stream)
        if not found:
            raise MediaUnreadableError(name, "no decoder for its picture, or its header is damaged")
        return found

    def _decoded(self, on_packet: Callable[[], None]) -> Iterator[tuple[Tile, Any]]:
        """Yield every tile in the order in which they are drawn, with its frame, None for one that does not decode."""
        packets = self._packets(on_packet)
        decoders: dict[bytes, Any] = {}
        for tile in self._picture.tiles:
            on_packet()
            if tile.item not in packets:
                yield tile, None
                continue
            context = self._streams[tile.item].codec_context
            # One decoder for all tiles with the same parameters: one for each would cost hundreds of megabytes.
            parameters = bytes(context.extradata or b"")
            if parameters not in decoders:
                decoders[parameters] = self._decoder(context)
            yield tile, _decode_one(decoders[parameters], packets[tile.item])

    def _packets(self, on_packet: Callable[[], None]) -> dict[int, Any]:
        """Return the coded tiles that are there, by item."""
        found: dict[int, Any] = {}
        try:
            for packet in self._container.demux(*self._streams.values()):
                on_packet()
                if packet.size:
                    found.setdefault(packet.stream.id, packet)
        except AvMemoryError:
            raise
        except FFmpegError:  # the file ends early
            pass
        return found

    def _decoder(self, context: Any) -> Any:
        decoder = av.CodecContext.create(context.name, "r")
        decoder.extradata = context.extradata
        decoder.thread_count = self._limits.decoder_threads
        decoder.options = {"max_pixels": str(self._limits.max_pixels_per_frame)}
        return decoder


def _decode_one(decoder: Any, packet: Any) -> Any:
    """Return the picture of a packet that depends on no other, None if it is damaged."""
    try:
        frames = [*decoder.decode(packet), *decoder.decode(None)]
    except AvMemoryError:
        raise
    except (FFmpegError, ValueError):
        frames = []
    decoder.flush_buffers()
    frame = frames[-1] if frames else None  # of layers the last one has the most pixels
    return None if frame is None or frame.is_corrupt else frame


def _canvas(tile: Any, picture: PictureMap) -> Any:
    """Return a black frame of the shown size in the colours of a tile."""
    _, _, width, height = picture.crop
    canvas = av.VideoFrame(width, height, tile.format.name)
    if picture.matrix in _LUMA_MATRICES:
        canvas.colorspace = picture.matrix
    else:
        canvas.colorspace = tile.colorspace
    full = picture.is_full_range
    canvas.color_range = tile.color_range if full is None else _FULL_RANGE if full else _LIMITED_RANGE
    is_luma = not tile.format.is_rgb
    for index, plane in enumerate(canvas.planes):
        bits = canvas.format.components[index].bits
        _pixels(plane, bits)[...] = 1 << (bits - 1) if is_luma and index in (1, 2) else 0
    return canvas


def _paste(frame: Any, canvas: Any, tile: Tile, picture: PictureMap) -> None:
    """Copy a tile to its place; what lies outside of what is shown is cut off."""
    crop_left, crop_top, _, _ = picture.crop
    for source, target, component in zip(frame.planes, canvas.planes, canvas.format.components, strict=True):
        across, down = round(frame.width / source.width), round(frame.height / source.height)
        left, top = (tile.left - crop_left) // across, (tile.top - crop_top) // down
        from_left, from_top = max(0, -left), max(0, -top)
        part = _pixels(source, component.bits)[from_top : target.height - top, from_left : target.width - left]
        if part.size:
            top, left = max(0, top), max(0, left)
            _pixels(target, component.bits)[top : top + part.shape[0], left : left + part.shape[1]] = part


def _pixels(plane: Any, bits: int) -> NDArray[Any]:
    """Return a plane as an array (height, width) of its own numbers of so many bits."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]
    return rows[:, : plane.width * (2 if bits > 8 else 1)].view(np.uint16 if bits > 8 else np.uint8)
