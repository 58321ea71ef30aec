# SPDX-License-Identifier: Apache-2.0
"""Read thousands of files that are valid but odd, and count wrong answers (`tools/bench.py odd_media`).

Each file is made from a plan drawn by a seeded generator: several pictures and sounds, late starts, gaps, time stamps
that jump, parts joined byte by byte, sizes that change, uneven rates, cancelling and absent channels, cut ends. What is
right follows from the plan (odd_clips.py), so no other reader is believed: which streams there are, where each exists
on the grid, that every slot shows its own time and its own stream, how much could be read, where the timeline is
joined. The result is written to docs/reliability/odd_media.json, from which the documents are filled.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks import odd_clips, odd_counts
from benchmarks.odd_clips import CELL_SECONDS, CELLS, Plan, Still, Stream
from benchmarks.odd_counts import Tried, count_wrong
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.errors import MediaError
from cad.media.pool import MediaPool
from cad.media.reader import MediaReader
from cad.media.records import MediaKind, Outcome

#: One file in so many is a photograph.
STILL_STEP = 12
#: Nothing is asked of slots this near to the ends of a stretch: encoders fill up packets there.
EDGE_SECONDS = 0.14
#: A slot may show a frame whose time is this far from its own, besides half a frame.
CLOCK_SECONDS = 0.045
#: Of its loudest channel's level a sound must keep this much in the mix.
LEAST_LEVEL = 0.2
#: Share of the slots that pictures of an uneven rate must serve.
LEAST_UNEVEN = 0.6
#: The parts of a joined file may lie this much later than planned, each than the one before.
MOST_SHIFT_SECONDS = 0.13
#: A coverage may be this far from the share of the packets that is there.
CUT_TOLERANCE = 0.25
CELL_SAMPLES = round(CELL_SECONDS * SAMPLE_RATE_HZ)
_WHOLE = {Outcome.OK, Outcome.NO_VIDEO, Outcome.NO_AUDIO}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    odd_counts.add_arguments(parser, count=2000)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Read them and return the figures; ``ok`` is false if an answer was wrong."""
    with tempfile.TemporaryDirectory(prefix="cad-odd-") as folder, MediaPool() as pool:

        def attempt(index: int) -> Tried:
            plan, path = make(Path(folder), arguments.seed, index)
            return Tried(path, plan.told(), kinds_of(plan), check(pool, plan, path))

        return count_wrong(arguments, attempt)


def make(folder: Path, seed: int, index: int) -> tuple[Plan | Still, Path]:
    """Write the file of a number and return its plan, too; one in STILL_STEP is a photograph."""
    rng = np.random.default_rng([seed, index])
    if index % STILL_STEP == STILL_STEP - 1:
        still = odd_clips.still_of(rng)
        path = folder / f"{index}{still.suffix}"
        odd_clips.write_still(still, path)
        return still, path
    plan = odd_clips.plan_of(rng)
    path = folder / f"{index}{plan.suffix}"
    return odd_clips.write(plan, path), path


def kinds_of(plan: Plan | Still) -> list[str]:
    """Return the oddities of a plan, for the count of what was tried."""
    if isinstance(plan, Still):
        return ["photograph in tiles" if plan.tile_px else "photograph", *(["turned"] if plan.turns else [])]
    sounds = [one for one in plan.streams if one.kind == "audio"]
    pictures = [one for one in plan.streams if one.kind == "video"]
    parts = [part for one in plan.streams for part in one.parts]
    gains = [gain for one in sounds for gain in one.channels[1]]
    found = {
        "several pictures": len(pictures) > 1,
        "several sounds": len(sounds) > 1,
        "sound alone": not pictures,
        "picture alone": not sounds,
        "a stream that starts late": any(part.start > 0 for part in parts),
        "a gap": any(part.gap for part in parts),
        "stamps that do not begin at 0": plan.base > 0,
        "stamps that jump ahead": plan.jump is not None,
        "joined byte by byte": plan.jump is None and len(plan.lengths) > 1,
        "size that grows": any(len({part.size for part in one.parts}) > 1 for one in pictures),
        "uneven rate": any(one.jitter for one in pictures),
        "channels that cancel": min(gains, default=0.0) < 0,
        "channels that are silent": any(0.0 in one.channels[1] for one in sounds),
        "8 channels or more": any(len(one.channels[1]) >= 8 for one in sounds),
        "cut off": plan.cut is not None,
    }
    return [name for name, holds in found.items() if holds]


def check(pool: MediaPool, plan: Plan | Still, path: Path) -> list[str]:
    """Return what is wrong about the reading of a file."""
    try:
        with pool.open(path) as reader:
            if isinstance(plan, Still):
                return check_still(reader, plan)
            return [*check_streams(reader, plan), *check_report(reader, plan)]
    except MediaError as error:
        return [f"refused: {error.code}: {error.text}"]


def check_still(reader: MediaReader, still: Still) -> list[str]:
    chunks = [(chunk.frames.copy(), int(chunk.present.sum())) for chunk in reader.video_chunks()]
    wrong = []
    if reader.info.kind is not MediaKind.IMAGE or [count for _, count in chunks] != [1]:
        return [f"{reader.info.kind.value} of {sum(count for _, count in chunks)} slots instead of a still"]
    picture = chunks[0][0][0]
    if picture.shape[:2] != (still.height, still.width):
        wrong.append(f"{picture.shape[1]}x{picture.shape[0]} instead of {still.width}x{still.height}")
    told = odd_clips.read_picture(picture)
    if told is None or abs(told[0] - odd_clips.STILL_SECONDS) > CLOCK_SECONDS or told[1] != 1:
        wrong.append(f"it shows {told}")
    if reader.report.coverage < 1.0 or reader.report.outcome is not Outcome.OK:
        wrong.append(f"coverage {reader.report.coverage:.3f}, {reader.report.text}")
    return wrong


def check_streams(reader: MediaReader, plan: Plan) -> list[str]:
    wrong = []
    shifts = shifts_of(reader, plan)
    for kind, listed in (("video", reader.info.videos), ("audio", reader.info.audios)):
        expected = [stream.number for stream in plan.streams if stream.kind == kind]
        if [one.number for one in listed] != expected:
            wrong.append(f"{kind} streams {[one.number for one in listed]} instead of {expected}")
    for stream in sorted(plan.streams, key=lambda one: one.kind):  # sound before picture
        name = f"{stream.kind} {stream.number}"
        told = check_sound if stream.kind == "audio" else check_picture
        wrong += [f"{name}: {text}" for text in told(reader, plan, stream, shifts)]
    return wrong


def shifts_of(reader: MediaReader, plan: Plan) -> list[float]:
    """Return by how many seconds each part lies later than planned.

    Encoders of sound fill up the last packet of a part, and the next part begins where that ends.
    """
    told = [0, *reader.info.joint_slots]
    if len(told) != len(plan.lengths):
        return [0.0] * len(plan.lengths)
    shifts = [slot / FRAME_RATE_HZ - plan.offset(index) for index, slot in enumerate(told)]
    return [shift if abs(shift) < MOST_SHIFT_SECONDS * (index + 1) else 0.0 for index, shift in enumerate(shifts)]


def check_report(reader: MediaReader, plan: Plan) -> list[str]:
    wrong = []
    report, info = reader.report, reader.info
    if plan.cut is None:
        if report.coverage < 1.0 or report.outcome not in _WHOLE:
            wrong.append(f"coverage {report.coverage:.3f}, {report.outcome.value}: {report.text}")
    else:  # headers state bytes, tables packets
        shares = sorted([plan.cut, plan.cut if plan.cut_bytes is None else plan.cut_bytes])
        if not shares[0] - CUT_TOLERANCE <= report.coverage <= min(shares[1] + CUT_TOLERANCE, 0.98):
            wrong.append(f"coverage {report.coverage:.3f} of a file of which {shares} is there")
    joints = [round(plan.offset(index) * FRAME_RATE_HZ) for index in range(1, len(plan.lengths))]
    told = list(info.joint_slots)
    off = [abs(one - other) > 3 * (index + 1) for index, (one, other) in enumerate(zip(told, joints, strict=False))]
    if len(told) != len(joints) or any(off):
        wrong.append(f"joints at {told} instead of {joints}")
    return wrong


def check_picture(reader: MediaReader, plan: Plan, stream: Stream, shifts: Sequence[float] = (0.0,)) -> list[str]:
    """Read one picture; every slot must show its own time and number, and exist just where the plan says."""
    shown: dict[int, tuple[float, int] | None] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for chunk in reader.video_chunks(stream.number):
        for index in np.flatnonzero(chunk.present):
            slot = chunk.first_slot + int(index)
            shown[slot] = odd_clips.read_picture(chunk.frames[index])
            sizes[slot] = chunk.frames.shape[2:0:-1]
    expected, planned = slots_of(plan, stream, shifts)
    wrong = []
    missing = [slot for slot in np.flatnonzero(expected > 0) if slot not in shown]
    if len(missing) > (1 - LEAST_UNEVEN) * (expected > 0).sum() * (stream.jitter > 0):
        wrong.append(f"{len(missing)} slots are missing, the first at {missing[0] / FRAME_RATE_HZ:.2f} s")
    extra = [slot for slot in shown if slot >= len(expected) or expected[slot] < 0]
    if extra:
        wrong.append(f"{len(extra)} slots too many, the first at {extra[0] / FRAME_RATE_HZ:.2f} s")
    most = 0.5 / stream.fps * (3 if stream.jitter else 1) + CLOCK_SECONDS
    inside = [slot for slot in shown if slot < len(expected) and expected[slot] > 0]
    off = [slot for slot in inside if (told := shown[slot]) is None or abs(told[0] - planned[slot]) > most]
    if off:
        wrong.append(f"{len(off)} slots show another time: {shown[off[0]]} at {off[0] / FRAME_RATE_HZ:.2f} s")
    strange = [slot for slot in inside if (told := shown[slot]) is not None and told[1] != stream.number]
    if strange:
        wrong.append(f"{len(strange)} slots show picture {shown[strange[0]]}")
    for slot in inside:
        part = max(index for index in range(len(plan.lengths)) if planned[slot] >= plan.offset(index) - 1e-6)
        if sizes[slot] != stream.parts[part].size:
            return [*wrong, f"slot {slot} is {sizes[slot]} instead of {stream.parts[part].size}"]
    return wrong


def check_sound(reader: MediaReader, plan: Plan, stream: Stream, shifts: Sequence[float] = (0.0,)) -> list[str]:
    """Read one sound; every cell of it must tell its own time and number, as loud as the plan says."""
    audio = reader.audio(stream.number)
    expected, planned = slots_of(plan, stream, shifts)
    if audio is None:
        return ["nothing was read"] if plan.cut is None else []
    present = np.zeros(max(len(expected), len(audio.present)), np.bool_)
    present[: len(audio.present)] = audio.present
    expected = np.pad(expected, (0, len(present) - len(expected)), constant_values=-1)
    wrong = []
    if missing := np.flatnonzero((expected > 0) & ~present).tolist():
        wrong.append(f"{len(missing)} slots are missing, the first at {missing[0] / FRAME_RATE_HZ:.2f} s")
    if extra := np.flatnonzero((expected < 0) & present).tolist():
        wrong.append(f"{len(extra)} slots too many, the first at {extra[0] / FRAME_RATE_HZ:.2f} s")
    loudest = max(abs(gain) for gain in stream.channels[1])
    level = loudest * float(np.sqrt(0.2**2 / 2 + 0.08**2 / 2))
    slots = round(CELL_SECONDS * FRAME_RATE_HZ)
    for first in range(min(len(present), len(planned)) - slots):
        cell = round(planned[first] / CELL_SECONDS)
        late = cell * CELL_SECONDS - planned[first]
        if abs(late) > 0.5 / FRAME_RATE_HZ or not (expected[first : first + slots + 1] > 0).all():
            continue  # a slot in which no cell begins, or one that is not wholly there
        start = round((first / FRAME_RATE_HZ + late) * SAMPLE_RATE_HZ)
        middle = slice(start + round(0.15 * CELL_SAMPLES), start + round(0.85 * CELL_SAMPLES))
        told = odd_clips.read_sound(audio.samples[middle])
        if told[:2] != (cell % CELLS, stream.number):
            return [*wrong, f"cell {cell} tells cell {told[0]} of sound {told[1]}, level {told[2]:.3f}"]
        if told[2] < LEAST_LEVEL * level:
            return [*wrong, f"cell {cell} has the level {told[2]:.3f} of {level:.3f}"]
    assert len(audio.samples) == len(audio.present) * SAMPLES_PER_FRAME
    return wrong


def slots_of(plan: Plan, stream: Stream, shifts: Sequence[float]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return what every slot of the file must be.

    Returns:
        1 where the stream must exist, -1 where it must not, 0 near its ends; and the planned time of the slot.
    """
    slots = round((sum(plan.lengths) + shifts[-1]) * FRAME_RATE_HZ) + 2
    times = np.arange(slots) / FRAME_RATE_HZ
    starts = [plan.offset(index) + shift for index, shift in enumerate(shifts)]
    planned = times - np.array(shifts)[np.searchsorted(starts, times + 1e-6, side="right") - 1]
    expected = np.full(slots, -1, np.int8)
    spans = plan.spans(stream)
    for start, stop in spans:
        expected[(planned > start - EDGE_SECONDS) & (planned < stop + EDGE_SECONDS)] = 0
    for start, stop in spans:
        expected[(planned >= start + EDGE_SECONDS) & (planned <= stop - EDGE_SECONDS)] = 1
    if plan.cut is not None:
        expected[expected > 0] = 0  # what a cut leaves of each stream is the muxer's affair
        expected[expected < 0] = 0 if stream.kind == "audio" else -1
    return expected, planned
