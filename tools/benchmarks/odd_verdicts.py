# SPDX-License-Identifier: Apache-2.0
"""Judge odd files of several tracks, faces and parts, and count wrong verdicts (`tools/bench.py odd_verdicts`).

The faces are those of the example clip, and the model is arithmetic (tests/tiny_model.py): reddish faces and loud
speech are forged, so that the right label, the right number of faces and the right track are known by construction. The
file's forged pair stands anywhere among genuine, silent and faceless ones, begins late, comes in the last part only, or
beside other faces.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from benchmarks import odd_counts
from benchmarks.odd_counts import Tried, count_wrong
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from cad.detector import Detector
from cad.media.reader import open_media
from cad.spec import HEADS, PEAKS, Calibration, OperatingPoint
from cad.verdict.records import Label, Verdict

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "data" / "astronaut_fake.mp4"
#: Gains of red, green and blue. The model takes red for forged; more red than this and no face is found.
TINTS = {False: (0.75, 0.75, 0.8), True: (1.05, 0.9, 0.9)}
#: Mean absolute level of the speech. The model takes loud speech for forged.
LEVELS = {False: 0.012, True: 0.09}
#: What puts the model's raw scores on either side of the thresholds.
CALIBRATION, POINT = Calibration(6.0, -0.75), OperatingPoint(0.6, 0.4)
SECONDS = 3.0


@dataclass(frozen=True)
class Pair:
    """One picture with its sound.

    Attributes:
        forged: ``picture``, ``sound`` or empty.
        faces: How many are seen; 0: a picture without a face; None: no picture.
        voice: Whether somebody speaks; None: no sound.
        late_picture: Seconds by which the picture begins later than the pair's sound.
        late_sound: Likewise.
    """

    forged: str = ""
    faces: int | None = 1
    voice: bool | None = True
    late_picture: float = 0.0
    late_sound: float = 0.0


@dataclass(frozen=True)
class Case:
    """A file: its pairs side by side, in each of its parts one after the other.

    Attributes:
        suffix: Of its container.
        parts: The pairs of each part; of TS files that are joined byte by byte there is one pair a part.
    """

    suffix: str
    parts: tuple[tuple[Pair, ...], ...]

    @property
    def is_forged(self) -> bool:
        """Whether anything in it is."""
        return any(pair.forged for part in self.parts for pair in part)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    odd_counts.add_arguments(parser, count=200)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Judge them and return the figures; ``ok`` is false if a verdict was wrong."""
    material = load_material()
    with tempfile.TemporaryDirectory(prefix="cad-odd-") as name:
        folder = Path(name)
        with Detector(model=str(write_model(folder / "model"))) as detector:

            def attempt(index: int) -> Tried:
                case = case_of(np.random.default_rng([arguments.seed, index]))
                path = folder / f"{index}{case.suffix}"
                path.write_bytes(b"".join(encode(part, case.suffix, material) for part in case.parts))
                return Tried(path, str(case), kinds_of(case), check(case, detector.detect(path)))

            return count_wrong(arguments, attempt)


def check(case: Case, verdict: Verdict) -> list[str]:
    """Return what is wrong about a verdict."""
    wrong = []
    pairs = [pair for part in case.parts for pair in part]
    judged = any(pair.faces or pair.voice for pair in pairs)
    expected = Label.FAKE if case.is_forged else Label.REAL if judged else Label.INCONCLUSIVE
    # A picture without a face beside genuine speech is not called real on its sound alone.
    if expected is Label.REAL and any(pair.faces == 0 for pair in pairs) and verdict.label is Label.INCONCLUSIVE:
        expected = Label.INCONCLUSIVE
    if verdict.label is not expected:
        codes = ", ".join(reason.code for reason in verdict.reasons)
        wrong.append(f"{verdict.label.value} instead of {expected.value} ({codes})")
    if verdict.media.coverage < 1.0:
        wrong.append(f"coverage {verdict.media.coverage:.3f}")
    if not verdict.reasons and verdict.label is Label.INCONCLUSIVE:
        wrong.append("inconclusive without a reason")
    tracks = len(case.parts[0])
    listed = [track for track in verdict.media.tracks if track.kind == "video"]
    if len(listed) != sum(pair.faces is not None for pair in case.parts[0]):
        wrong.append(f"{len(listed)} pictures are listed")
    if tracks == 1 and len(case.parts) == 1 and pairs[0].faces:
        seen = sum(face.probability_fake is not None for face in verdict.faces)
        if seen != pairs[0].faces:
            wrong.append(f"{seen} faces are judged instead of {pairs[0].faces}")
    return wrong


def kinds_of(case: Case) -> list[str]:
    """Return the oddities of a case, for the count of what was tried."""
    pairs = [pair for part in case.parts for pair in part]
    found = {
        "several tracks": len(case.parts[0]) > 1,
        "parts that are joined": len(case.parts) > 1,
        "several faces": any((pair.faces or 0) > 1 for pair in pairs),
        "picture without a face": any(pair.faces == 0 for pair in pairs),
        "sound without speech": any(pair.voice is False for pair in pairs),
        "picture that begins late": any(pair.late_picture for pair in pairs),
        "sound that begins late": any(pair.late_sound for pair in pairs),
        "forged picture": any(pair.forged == "picture" for pair in pairs),
        "forged sound": any(pair.forged == "sound" for pair in pairs),
        "genuine": not case.is_forged,
    }
    return [name for name, holds in found.items() if holds]


def case_of(rng: np.random.Generator) -> Case:
    """Return a case drawn at random."""
    suffix = str(rng.choice([".mp4", ".mkv", ".ts", ".mov"]))
    parts = int(rng.choice([1, 2, 3])) if suffix == ".ts" else 1
    tracks = 1 if parts > 1 else int(rng.choice([1, 1, 2, 3]))
    chosen = [[_pair(rng) for _ in range(tracks)] for _ in range(parts)]
    kinds = [(pair.faces is None, pair.voice is None) for pair in chosen[0]]
    for part in chosen[1:]:  # the parts of a recording have the same streams
        for index, (no_picture, no_sound) in enumerate(kinds):
            old = part[index]
            part[index] = Pair("", None if no_picture else old.faces or 1, None if no_sound else bool(old.voice))
    if rng.random() < 0.6:
        part, index = chosen[int(rng.integers(parts))], int(rng.integers(tracks))
        part[index] = _forged(part[index], rng)
    return Case(suffix, tuple(tuple(part) for part in chosen))


def _pair(rng: np.random.Generator) -> Pair:
    faces = rng.choice([None, 0, 1, 1, 1, 1, 2, 3])
    voice = rng.choice([None, False, True, True, True])
    if faces is None and voice is None:
        voice = True
    late = float(rng.choice([0.0, 0.0, 1.2, 3.32]))
    picture_late = bool(rng.random() < 0.5) and faces is not None and voice is not None
    sound_late = not picture_late and faces is not None and voice is not None
    return Pair("", faces, voice, late * picture_late, late * sound_late)


def _forged(pair: Pair, rng: np.random.Generator) -> Pair:
    ways = [*(["picture"] if pair.faces else []), *(["sound"] if pair.voice else [])]
    if not ways:
        return pair
    return Pair(str(rng.choice(ways)), pair.faces, pair.voice, pair.late_picture, pair.late_sound)


Material = tuple[list[NDArray[np.uint8]], NDArray[np.float32]]


def load_material() -> Material:
    """Return the pictures, each uint8 (320, 320, 3), and the speech, float32 at 16 kHz, of the example clip."""
    with open_media(EXAMPLE) as reader:
        audio = reader.audio()
        pictures = [frame.copy() for chunk in reader.video_chunks() for frame in chunk.frames]
    assert audio is not None
    return pictures, audio.samples


def encode(pairs: tuple[Pair, ...], suffix: str, material: Material) -> bytes:
    """Return a file that has the pairs side by side."""
    import io

    file = io.BytesIO()
    formats = {".mp4": "mp4", ".mkv": "matroska", ".ts": "mpegts", ".mov": "mov"}
    packets: list[tuple[float, int, Any]] = []
    with av.open(file, "w", format=formats[suffix]) as container:
        for pair in pairs:
            if pair.faces is not None:
                packets += _encode_picture(container, pair, material[0])
            if pair.voice is not None:
                packets += _encode_sound(container, pair, material[1])
        for _, _, packet in sorted(packets, key=lambda one: one[:2]):
            container.mux(packet)
    return file.getvalue()


def _encode_picture(container: Any, pair: Pair, pictures: list[NDArray[np.uint8]]) -> list[tuple[float, int, Any]]:
    stream = container.add_stream("libx264", rate=FRAME_RATE_HZ)
    stream.width, stream.height, stream.pix_fmt = 320 * max(1, pair.faces or 0), 320, "yuv420p"
    stream.options = {"preset": "ultrafast", "crf": "18", "g": "25"}
    start, found = round(pair.late_picture * FRAME_RATE_HZ), []
    for index in [*range(round(SECONDS * FRAME_RATE_HZ)), None]:
        frame = None
        if index is not None:
            frame = av.VideoFrame.from_ndarray(draw(pair, index, pictures), format="rgb24")
            frame.pts, frame.time_base = start + index, Fraction(1, FRAME_RATE_HZ)
        for packet in stream.encode(frame):
            found.append((float(packet.dts * packet.time_base), len(found), packet))
    return found


def draw(pair: Pair, index: int, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return a picture of the pair's faces side by side; the first one is the forged one."""
    if not pair.faces:
        rows = np.arange(320)[:, None] + 3 * index
        stripes = (128 + 60 * np.sin(rows / 17.0)).astype(np.uint8)
        return np.repeat(np.broadcast_to(stripes, (320, 320))[..., None], 3, axis=2)
    parts = []
    for face in range(pair.faces):
        # The others are mirrored, and elsewhere in their speech.
        picture = pictures[(index + 37 * face) % len(pictures)][:, :: -1 if face % 2 else 1]
        gains = np.array(TINTS[pair.forged == "picture" and face == 0], np.float32)
        parts.append(cv2.convertScaleAbs(picture.astype(np.float32) * gains))
    return np.hstack(parts)


def _encode_sound(container: Any, pair: Pair, speech: NDArray[np.float32]) -> list[tuple[float, int, Any]]:
    stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
    count = round(SECONDS * SAMPLE_RATE_HZ)
    samples = np.resize(speech, count) if pair.voice else np.zeros(count, np.float32)
    level = np.abs(samples).mean()
    samples = samples * (LEVELS[pair.forged == "sound"] / level) if level > 0 else samples
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.time_base = SAMPLE_RATE_HZ, Fraction(1, SAMPLE_RATE_HZ)
    frame.pts = round(pair.late_sound * SAMPLE_RATE_HZ)
    found = []
    for one in (frame, None):
        for packet in stream.encode(one):
            found.append((float(packet.dts * packet.time_base), len(found), packet))
    return found


def write_model(folder: Path) -> Path:
    """Write the arithmetic model and return its folder."""
    sys.path.append(str(ROOT / "tests"))
    from tiny_model import tiny_onnx, tiny_spec, write_weights

    spec = tiny_spec(
        calibration=dict.fromkeys((*HEADS, *PEAKS), CALIBRATION),
        operating_points=dict.fromkeys((*HEADS, *PEAKS), POINT),
    )
    return write_weights(folder, tiny_onnx(spec))
