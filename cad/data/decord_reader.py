# SPDX-License-Identifier: Apache-2.0
"""The fast picture reader for training: decord, on files of known making, with what it misreads refused.

decord decodes in the calling process and can hang, crash or return wrong frames (measured: wrong frames from MPEG
streams, false times with edit lists). So it is never used for a verdict, reads MP4 and MOV alone, and refuses what it
would place wrongly; those files go through ``cad.media.open_media``. The grid and the record are the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.errors import DataError, MediaNotFoundError, MediaUnreadableError, MissingExtraError
from cad.media.grid import FramePlacer, reach_seconds
from cad.media.records import VideoFrames

#: Steps between frames may differ from their median by this share (stamps are rounded) before the rate is variable.
_STEP_TOLERANCE = 0.1
#: Boxes that hold other boxes on the way to what is looked at.
_PARENTS = {b"moov", b"trak", b"edts"}
_UPRIGHT = (0x10000, 0, 0, 0x10000)


def read_video(path: str | Path, threads: int = 1) -> VideoFrames:
    """Return the whole picture of a constant-rate MP4 or MOV on the 25 Hz grid.

    Args:
        path: A benchmark file of known making.
        threads: Of the decoder.

    Returns:
        All slots from 0, pixels as stored.

    Raises:
        MissingExtraError: decord is not installed.
        MediaNotFoundError: There is no such file.
        DataError: decord is known to misread such a file: not MP4 or MOV, an edit list that hides or delays something,
            a variable frame rate, a rotated picture.
        MediaUnreadableError: decord cannot read it.
    """
    times, reader = _open(path, threads)
    indexes, present = place(times)
    frames = np.zeros((len(present), *reader[0].shape), np.uint8)
    wanted = np.unique(indexes[present])
    decoded = reader.get_batch(wanted.tolist()).asnumpy()
    frames[present] = decoded[np.searchsorted(wanted, indexes[present])]
    return VideoFrames(0, frames, present)


def place(times: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return for each slot the index of the frame that it shows, and whether it shows one.

    Args:
        times: Of all frames, in seconds of grid time, ascending.
    """
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    placer = FramePlacer(reach_seconds(1 / period))
    slots: dict[int, int] = {}
    for index in range(len(times) + 1):
        placement = placer.next_frame(float(times[index])) if index < len(times) else placer.end()
        if placement is not None:
            first = placement.first_slot + placement.missing
            slots |= dict.fromkeys(range(first, first + placement.count), index - 1)
    indexes = np.array([slots.get(slot, -1) for slot in range(placer.next_slot)], np.int64)
    return indexes, indexes >= 0


def _open(path: str | Path, threads: int):  # type: ignore[no-untyped-def]
    """Return the times of all frames and decord's reader."""
    if not Path(path).is_file():
        raise MediaNotFoundError(path, "there is no such file")
    _refuse_by_boxes(path)
    try:
        import decord
    except ImportError as error:
        raise MissingExtraError("the training reader needs decord: pip install 'cad-detect[train]'") from error
    try:
        reader = decord.VideoReader(str(path), num_threads=threads)
        times = np.asarray(reader.get_frame_timestamp(range(len(reader))), np.float64)[:, 0]
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        raise MediaUnreadableError(path, f"decord cannot read it ({str(error).splitlines()[0]})") from error
    _refuse_by_times(path, times)
    return times, reader


def _refuse_by_times(path: str | Path, times: NDArray[np.float64]) -> None:
    steps = np.diff(times)
    if len(times) == 0:
        raise MediaUnreadableError(path, "decord finds no frame in it")
    period = float(np.median(steps)) if len(steps) else 0.04
    if abs(times[0]) > period / 2:
        raise DataError(f"{path}: its edit list hides or delays frames, which decord misplaces; use open_media")
    if len(steps) and (period <= 0 or np.abs(steps - period).max() > _STEP_TOLERANCE * period):
        raise DataError(f"{path}: its frame rate varies, which decord misplaces; use open_media")


def _refuse_by_boxes(path: str | Path) -> None:
    data = Path(path).read_bytes()
    if data[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide"):
        raise DataError(f"{path}: not MP4 or MOV; decord misreads MPEG and other streams; use open_media")
    for kind, body in _boxes(memoryview(data)):
        if kind == b"elst" and _delays(body):
            raise DataError(f"{path}: its edit list delays or joins pieces, which decord ignores; use open_media")
        if kind == b"tkhd" and _is_turned(body):
            raise DataError(f"{path}: its picture is rotated, which decord ignores; use open_media")


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the boxes of an MP4, those inside _PARENTS included.

    Source: ISO/IEC 14496-12, 4.2.
    """
    offset = 0
    while offset + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        header = 8
        if size == 1 and offset + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, offset + 8)
            header = 16
        if size == 0:
            size = len(data) - offset
        if size < header:
            return
        body = data[offset + header : offset + size]
        yield kind, body
        if kind in _PARENTS:
            yield from _boxes(body)
        offset += size


def _delays(body: memoryview) -> bool:
    """Return whether an edit list (ISO/IEC 14496-12, 8.6.6) does more than skip the start of its track."""
    version, count = body[0], int.from_bytes(body[4:8], "big")
    if count != 1:
        return count > 1
    start = int.from_bytes(body[16:24] if version == 1 else body[12:16], "big", signed=True)
    return start < 0


def _is_turned(body: memoryview) -> bool:
    """Return whether a track header's matrix (ISO/IEC 14496-12, 8.3.2), on a track with a size, is not upright."""
    at = 52 if body[0] == 1 else 40
    a, b, _, c, d = struct.unpack_from(">5i", body, at)
    width, height = struct.unpack_from(">2I", body, at + 36)
    return bool(width and height) and (a, b, c, d) != _UPRIGHT
