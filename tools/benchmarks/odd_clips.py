# SPDX-License-Identifier: Apache-2.0
"""Files that are valid but odd, and what is right about them: tracks, starts, jumps, gaps, sizes and channels.

Every picture carries a code of the grid time at which it belongs and of its number among the file's pictures; every
sound is a tone whose pitch tells the same. So what a reader gives back can be told right or wrong without another
reader's word.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Span = tuple[float, float]
RATE_HZ = 48_000
#: A picture is a code of 8 x 4 cells: 13 bits of fiftieths of a second, 3 bits of number, then all of them inverted.
CODE_COLUMNS, CODE_ROWS = 8, 4
TIME_BITS, NUMBER_BITS = 13, 3
#: A sound changes its pitch so often; the pitch repeats after so many changes.
CELL_SECONDS, CELLS = 0.2, 40
CELL_HZ, CELL_STEP_HZ = 500.0, 60.0
NUMBER_HZ, NUMBER_STEP_HZ = 3400.0, 300.0


@dataclass(frozen=True)
class Part:
    """A stretch of a stream in one part of a file: times are seconds after the first instant of the part.

    Attributes:
        start: Where it begins.
        stop: Where it ends.
        gap: A stretch inside that is left out, or None.
        size: Width and height in pixels of a picture.
    """

    start: float
    stop: float
    gap: Span | None = None
    size: tuple[int, int] = (160, 96)

    @property
    def spans(self) -> list[Span]:
        """The stretches that exist."""
        return [(self.start, self.stop)] if self.gap is None else [(self.start, self.gap[0]), (self.gap[1], self.stop)]


@dataclass(frozen=True)
class Stream:
    """One picture or sound of a file.

    Attributes:
        kind: ``video`` or ``audio``.
        number: Among its kind, from 1.
        codec: FFmpeg's encoder.
        parts: One for every part of the file.
        fps: Of a picture; uneven rates have ``jitter``.
        jitter: Share of the frames that are left out at random, none of them beside another.
        channels: How a sound is laid on its channels: name of a layout and the gain of every channel.
    """

    kind: str
    number: int
    codec: str
    parts: tuple[Part, ...]
    fps: float = 25.0
    jitter: float = 0.0
    channels: tuple[str, tuple[float, ...]] = ("mono", (1.0,))


@dataclass(frozen=True)
class Plan:
    """A file to be made and all that is right about it.

    Attributes:
        suffix: Of its container.
        streams: In the order of the file.
        base: Time stamp of its first instant.
        jump: What is added to the stamps of every later part; None: the parts are files joined byte by byte, whose
            stamps begin again.
        lengths: How long every part is: to the end of its longest stream.
        cut: Share of the packets that is kept of the file, which is cut off behind them; None: all.
        cut_bytes: The same share in bytes, known once the file has been written.
    """

    suffix: str
    streams: tuple[Stream, ...]
    base: float = 0.0
    jump: float | None = None
    lengths: tuple[float, ...] = (0.0,)
    cut: float | None = None
    cut_bytes: float | None = None

    def offset(self, part: int) -> float:
        """Return the grid time at which a part begins."""
        return float(sum(self.lengths[:part]))

    def spans(self, stream: Stream) -> list[Span]:
        """Return where a stream exists, grid time."""
        return [
            (self.offset(index) + start, self.offset(index) + stop)
            for index, part in enumerate(stream.parts)
            for start, stop in part.spans
        ]

    def told(self) -> str:
        """Return the plan in a line, for those who look into what went wrong."""
        streams = "; ".join(
            f"{one.kind}{one.number} {one.codec} {one.fps:g}fps {one.channels[0]} "
            + " ".join(f"{p.start:.2f}-{p.stop:.2f}{f' gap {p.gap}' if p.gap else ''} {p.size}" for p in one.parts)
            for one in self.streams
        )
        return f"{self.suffix} base {self.base:g} jump {self.jump} lengths {self.lengths}: {streams}"


@dataclass(frozen=True)
class Still:
    """A photograph to be made.

    Attributes:
        suffix: Of its format.
        width: Upright, in pixels.
        height: Likewise.
        tile_px: Side of the tiles of which it is put together.
        turns: Quarter turns, clockwise, by which it is to be turned for display.
    """

    suffix: str
    width: int
    height: int
    tile_px: int = 0
    turns: int = 0

    def told(self) -> str:
        """Return the plan in a line."""
        return f"{self.suffix} {self.width}x{self.height}, tiles of {self.tile_px}, {self.turns} quarter turns"


#: What a still tells as its time.
STILL_SECONDS = 12.34


def write_still(still: Still, path: Path) -> None:
    """Write the file; those in tiles as telephones do (tests/made_heif.py)."""
    grey = code_picture(STILL_SECONDS, 1, still.width, still.height)
    stored = np.ascontiguousarray(np.rot90(np.repeat(grey[..., None], 3, axis=2), still.turns))
    if not still.tile_px:
        cv2.imwrite(str(path), stored)
        return
    os.environ.setdefault("SVT_LOG", "0")  # the encoder of AV1 is talkative
    sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
    from made_heif import box, photograph

    turn = [box(b"irot", bytes([4 - still.turns]))] if still.turns else []
    path.write_bytes(photograph(stored, still.tile_px, {".heic": "hvc1", ".avif": "av01"}[still.suffix], *turn))


def still_of(rng: Rng) -> Still:
    """Return a photograph drawn at random."""
    suffix = str(rng.choice([".heic", ".heic", ".avif", ".jpg", ".png", ".webp", ".bmp", ".tiff"]))
    width, height = (int(side) for side in rng.integers(70, 260, 2) * 2)
    tiled = suffix in (".heic", ".avif")
    return Still(suffix, width, height, int(rng.choice([64, 128])) if tiled else 0, int(rng.integers(4)) * tiled)


def write(plan: Plan, path: Path) -> Plan:
    """Write the file, and return its plan with what is known of it now."""
    if plan.jump is None and len(plan.lengths) > 1:
        parts = [_mux(plan, [index], plan.base)[0] for index in range(len(plan.lengths))]
        path.write_bytes(b"".join(parts))
    else:
        content, sizes = _mux(plan, range(len(plan.lengths)), plan.base)
        if plan.cut is not None:
            first, behind = PACKETS_BETWEEN[plan.suffix]
            start, stop = content.index(first), content.rindex(behind)
            kept = sum(sizes[: round(plan.cut * len(sizes))]) / sum(sizes)
            whole = len(content)
            content = content[: start + round(kept * (stop - start))]
            plan = replace(plan, cut_bytes=len(content) / whole)
        path.write_bytes(content)
    return plan


#: What stands before and behind the packets of a container, of those that are cut.
PACKETS_BETWEEN = {".mkv": (b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b"), ".avi": (b"movi", b"idx1")}
#: A packet takes so many bytes more than it holds.
PACKET_HEADER_BYTES = 8


def _mux(plan: Plan, parts: Any, base: float) -> tuple[bytes, list[int]]:
    """Return a container and the bytes that each of its packets takes, in their order."""
    file = io.BytesIO()
    file.name = f"clip{plan.suffix}"
    with av.open(file, "w", format=FORMATS[plan.suffix]) as container:
        packets, sizes = [], []
        for order, stream in enumerate(plan.streams):
            # AVI has no stamps: it counts pictures.
            clock = Fraction(stream.fps).limit_denominator(1001) if plan.suffix == ".avi" else Fraction(1000)
            encoder = _encoder(container, stream, stream.parts[parts[0]], clock)
            for packet in _encode(plan, stream, encoder, parts, base):
                packets.append((float(packet.dts * packet.time_base), order, len(packets), packet))
        for _, _, _, packet in sorted(packets, key=lambda one: one[:3]):
            sizes.append(packet.size + PACKET_HEADER_BYTES)
            container.mux(packet)
    return file.getvalue(), sizes


FORMATS = {
    ".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".ts": "mpegts", ".nut": "nut", ".avi": "avi",
    ".flv": "flv", ".wav": "wav", ".flac": "flac", ".mpg": "vob",
}  # fmt: skip


def _encoder(container: Any, stream: Stream, part: Part, clock_hz: Fraction) -> Any:
    if stream.kind == "video":
        encoder = container.add_stream(stream.codec, rate=Fraction(stream.fps).limit_denominator(1001))
        encoder.width, encoder.height, encoder.pix_fmt = *part.size, PIXELS.get(stream.codec, "yuv420p")
        encoder.options = VIDEO_OPTIONS.get(stream.codec, {})
        encoder.codec_context.time_base = 1 / clock_hz
        return encoder
    encoder = container.add_stream(stream.codec, rate=RATE_HZ, layout=stream.channels[0])
    encoder.codec_context.time_base = Fraction(1, RATE_HZ)
    return encoder


PIXELS = {"mjpeg": "yuvj420p"}
VIDEO_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "16", "g": "12"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "1500k", "auto-alt-ref": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "1500k"},
    "mpeg4": {"qscale": "2", "g": "12"},
    "mjpeg": {"qscale": "2"},
}


def _encode(plan: Plan, stream: Stream, encoder: Any, parts: Any, base: float) -> Iterator[Any]:
    frames = _pictures if stream.kind == "video" else _sounds
    kept = [
        (stamp(plan, index, base) + start, stamp(plan, index, base) + stop)
        for index in parts
        for start, stop in stream.parts[index].spans
    ]
    for frame in (*frames(plan, stream, parts, base), None):
        for packet in encoder.encode(frame):
            if packet.dts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            # A gap is made by leaving packets out, as a recorder does that loses them.
            if stream.kind == "video" or any(start - 0.03 <= seconds < stop - 1e-6 for start, stop in kept):
                yield packet


def stamp(plan: Plan, part: int, base: float) -> float:
    """Return the time stamp at which a part begins; in files that are joined byte by byte each begins at the base."""
    return base if plan.jump is None else base + plan.jump * part + plan.offset(part)


def _pictures(plan: Plan, stream: Stream, parts: Any, base: float) -> Iterator[Any]:
    rng = np.random.default_rng(stream.number)
    for index in parts:
        part, skipped = stream.parts[index], False
        for count in range(round((part.stop - part.start) * stream.fps)):
            seconds = part.start + count / stream.fps
            if part.gap is not None and part.gap[0] - 1e-6 <= seconds < part.gap[1] - 1e-6:
                continue
            skipped = not skipped and count > 0 and rng.random() < stream.jitter
            if skipped:
                continue
            grid = plan.offset(index) + seconds
            frame = av.VideoFrame.from_ndarray(code_picture(grid, stream.number, *part.size), format="gray")
            frame = frame.reformat(format=PIXELS.get(stream.codec, "yuv420p"))
            frame.time_base = Fraction(1, 1000)
            frame.pts = round((stamp(plan, index, base) + seconds) * 1000)
            yield frame


def _sounds(plan: Plan, stream: Stream, parts: Any, base: float) -> Iterator[Any]:
    layout, gains = stream.channels
    for index in parts:
        part = stream.parts[index]
        start = round((stamp(plan, index, base) + part.start) * RATE_HZ)
        count = round((part.stop - part.start) * RATE_HZ)
        grid = plan.offset(index) + part.start + np.arange(count) / RATE_HZ
        tone = code_sound(grid, stream.number)
        planes = np.stack([tone * gain for gain in gains])
        for first in range(0, count, 960):
            block = np.ascontiguousarray(planes[:, first : first + 960].T.reshape(1, -1), np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, RATE_HZ), start + first
            yield frame


def code_picture(seconds: float, number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a grey picture, uint8 (height, width), that tells its grid time and number."""
    word = round(seconds * 50) << NUMBER_BITS | number
    bits = [word >> place & 1 for place in range(TIME_BITS + NUMBER_BITS)]
    cells = np.array([*bits, *(1 - bit for bit in bits)], np.uint8).reshape(CODE_ROWS, CODE_COLUMNS)
    rows = np.arange(height) * CODE_ROWS // height
    columns = np.arange(width) * CODE_COLUMNS // width
    return np.where(cells[rows[:, None], columns[None]] > 0, 220, 36).astype(np.uint8)


def read_picture(pixels: NDArray[np.uint8]) -> tuple[float, int] | None:
    """Return the grid time and number that a picture, uint8 (height, width, 3), tells; None if it tells none."""
    grey = pixels[..., 1].astype(np.float32)
    height, width = grey.shape
    bits = []
    for row in range(CODE_ROWS):
        for column in range(CODE_COLUMNS):
            top, bottom = (round(height * (row + share) / CODE_ROWS) for share in (0.3, 0.7))
            left, right = (round(width * (column + share) / CODE_COLUMNS) for share in (0.3, 0.7))
            bits.append(int(grey[top:bottom, left:right].mean() > 128))
    half = len(bits) // 2
    if any(bit == other for bit, other in zip(bits[:half], bits[half:], strict=True)):
        return None
    word = sum(bit << place for place, bit in enumerate(bits[:half]))
    return (word >> NUMBER_BITS) / 50, word & (1 << NUMBER_BITS) - 1


def code_sound(seconds: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return the sound at these grid times: a pitch that tells the time, and one that tells the number."""
    cell = np.floor(seconds / CELL_SECONDS + 1e-9) % CELLS
    return 0.2 * np.sin(2 * np.pi * (CELL_HZ + CELL_STEP_HZ * cell) * seconds) + 0.08 * np.sin(
        2 * np.pi * (NUMBER_HZ + NUMBER_STEP_HZ * number) * seconds
    )


def read_sound(samples: NDArray[np.float32]) -> tuple[int, int, float]:
    """Return the cell (modulo CELLS), the number and the level (RMS) that a stretch of 16 kHz sound tells."""
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 16_000))
    cell = int(np.argmax([strength[int(CELL_HZ + CELL_STEP_HZ * one)] for one in range(CELLS)]))
    number = int(np.argmax([strength[int(NUMBER_HZ + NUMBER_STEP_HZ * one)] for one in range(12)]))
    return cell, number, float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


#: Containers, how many pictures and sounds they may hold, their encoders, and whether stamps may begin anywhere.
CONTAINERS: dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...]]] = {
    ".mp4": (2, 4, ("libx264", "mpeg4"), ("aac", "flac")),
    ".mov": (2, 4, ("libx264", "mjpeg"), ("pcm_s16le", "aac")),
    ".mkv": (2, 4, ("libx264", "libvpx", "mpeg4", "mjpeg"), ("libopus", "flac", "aac", "pcm_s16le")),
    ".webm": (1, 3, ("libvpx", "libvpx-vp9"), ("libopus",)),
    ".ts": (2, 3, ("libx264", "mpeg4"), ("aac", "ac3")),
    ".nut": (2, 3, ("libx264", "mjpeg"), ("pcm_s16le", "flac")),
    ".flv": (1, 1, ("libx264",), ("aac",)),
    ".avi": (1, 2, ("mpeg4", "mjpeg"), ("pcm_s16le",)),
}
#: How a sound may lie on its channels; all of them say the same, some of them the wrong way round.
LAYOUTS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("mono", (1.0,)),
    ("stereo", (1.0, 1.0)),
    ("stereo", (1.0, -1.0)),
    ("stereo", (0.0, 1.0)),
    ("stereo", (1.0, -0.8)),
    ("5.1", (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)),
    ("5.1", (1.0, -1.0, 0.0, 0.0, 0.0, 0.0)),
    ("5.1", (0.0, 0.0, 0.0, 0.0, 1.0, 1.0)),
    ("7.1", (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
    ("7.1", (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
    ("hexadecagonal", (1.0,) * 16),
)
MAX_CHANNELS = {"aac": 8, "ac3": 6, "libopus": 8, "flac": 8, "pcm_s16le": 16}


def plan_of(rng: Rng) -> Plan:
    """Return a plan drawn at random."""
    suffix = str(rng.choice(list(CONTAINERS)))
    most_pictures, most_sounds, picture_codecs, sound_codecs = CONTAINERS[suffix]
    pictures = int(rng.choice([0, 1, 1, 1, most_pictures]))
    sounds = int(rng.choice([0, 1, 1, 1, *range(1, most_sounds + 1)]))
    if pictures + sounds == 0 or (suffix in (".flv", ".avi") and pictures == 0):
        pictures = 1
    odd = _oddity(suffix, rng)
    lengths = [float(rng.uniform(1.6, 3.2)) for _ in range(odd["parts"])]
    codec = str(rng.choice(picture_codecs))
    sound_codec = str(rng.choice(sound_codecs))
    fps = float(rng.choice([12.5, 25.0, 25.0, 50.0] if suffix == ".avi" else [10.0, 12.5, 25.0, 25.0, 50.0]))
    streams = [
        Stream("video", number + 1, codec, _parts(lengths, odd, suffix, rng, 1 / fps), fps, odd["jitter"])
        for number in range(pictures)
    ]
    layouts = [one for one in LAYOUTS if len(one[1]) <= MAX_CHANNELS[sound_codec]]
    for number in range(sounds):
        layout = layouts[int(rng.integers(len(layouts)))] if odd["channels"] else LAYOUTS[0]
        streams.append(
            Stream("audio", number + 1, sound_codec, _parts(lengths, odd, suffix, rng, 0.04), channels=layout)
        )
    if odd["sizes"] and pictures:
        grown = tuple(
            replace(part, size=(160 * (1 + index), 96 * (1 + index))) for index, part in enumerate(streams[0].parts)
        )
        streams[0] = replace(streams[0], parts=grown)
    return settle(Plan(suffix, tuple(streams), odd["base"], odd["jump"], tuple(lengths), odd["cut"]))


def _oddity(suffix: str, rng: Rng) -> dict[str, Any]:
    """Return what is odd about a file; a container gets only what it can hold."""
    joined = suffix == ".ts" and rng.random() < 0.5
    jumping = suffix in (".mkv", ".nut") and rng.random() < 0.25  # MP4 states how long every frame lasts
    plain = not joined and not jumping and suffix in (".mkv", ".avi")
    return {
        "cut": float(rng.uniform(0.4, 0.9)) if plain and rng.random() < 0.2 else None,
        "parts": int(rng.integers(2, 4)) if joined or jumping else 1,
        "jump": float(rng.choice([3600.0, 120.0])) if jumping else None,
        "base": float(rng.choice([0.0, 0.0, 1.4, 10.0, 3600.0])) if suffix in (".mkv", ".ts", ".nut") else 0.0,
        "late": rng.random() < 0.5 and suffix != ".avi",
        "gap": rng.random() < 0.35 and suffix not in (".avi", ".mov"),  # uncompressed sound in MOV has no stamps
        "jitter": 0.25 if rng.random() < 0.2 and suffix != ".avi" else 0.0,
        "channels": rng.random() < 0.6,
        "sizes": joined and rng.random() < 0.5,
    }


def _parts(lengths: list[float], odd: dict[str, Any], suffix: str, rng: Rng, grain: float) -> tuple[Part, ...]:
    found = []
    for length in lengths:
        start = float(rng.choice([0.0, 0.0, 0.4, 1.2, 3.32])) if odd["late"] else 0.0
        stop = start + length - float(rng.choice([0.0, 0.0, 0.6]))
        gap = None
        if odd["gap"] and rng.random() < 0.6:
            gap = (_grain(start + 0.5, grain), _grain(start + 0.5 + float(rng.uniform(0.3, 0.7)), grain))
        found.append(Part(_grain(start, grain), _grain(stop, grain), gap))
    return tuple(found)


def _grain(seconds: float, grain: float) -> float:
    return round(round(seconds / grain) * grain, 6)


def settle(plan: Plan) -> Plan:
    """Return the plan with every part's first instant at 0 and its length that of its longest stream."""
    lengths = []
    streams = [list(one.parts) for one in plan.streams]
    for index in range(len(plan.lengths)):
        first = min(parts[index].start for parts in streams)
        for parts in streams:
            gap = parts[index].gap
            parts[index] = replace(
                parts[index],
                start=parts[index].start - first,
                stop=parts[index].stop - first,
                gap=None if gap is None else (gap[0] - first, gap[1] - first),
            )
        lengths.append(max(parts[index].stop for parts in streams))
    settled = tuple(replace(one, parts=tuple(parts)) for one, parts in zip(plan.streams, streams, strict=True))
    return replace(plan, streams=settled, lengths=tuple(lengths))
