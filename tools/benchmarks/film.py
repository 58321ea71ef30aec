# SPDX-License-Identifier: Apache-2.0
"""What a film costs: memory and time by its number of shots (`tools/bench.py film`).

First without media: scores such as a film with a cut every two seconds gives are pooled, judged and written as text,
JSON and HTML in a fresh interpreter, by the number of tracks. Then real files, as many as ``--minutes`` names: shots
of small pictures with one and two faces and a voice, looped without re-encoding, analysed as ``cad-detect --json
--html`` does. With ``--remember`` the nets are asked once about every shot, since the same come again: two hours then
take minutes, and what is measured of memory stays the product's own. Peaks are those that the kernel kept (VmHWM), in
MiB, of the analysing process; the decoding process is another one and has a limit of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from benchmarks.media_clips import run_ffmpeg
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent.parent
CLIPS = ROOT / "tests" / "golden" / "clips"
BAR_MIB = 850
SHOT_SECONDS, FPS = 2, Fraction(25, 2)
WIDTH, HEIGHT = 256, 192
#: Shots of the piece that is looped.
SHOTS = 60
SCORES = """
import json, sys
from benchmarks.film_scores import cost_of_scores
print(json.dumps(cost_of_scores(*map(int, sys.argv[1:]))))
"""
DETECT = """
import json, sys
from pathlib import Path
from benchmarks.film_detect import cost_of_file
print(json.dumps(cost_of_file(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "remember")))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracks", type=int, nargs="*", default=[900, 1800, 3600, 7200])
    parser.add_argument("--minutes", type=float, nargs="*", default=[10, 20], help="lengths of the files")
    parser.add_argument("--silent", action="store_true", help="without the voice")
    parser.add_argument("--remember", action="store_true", help="ask the nets once about the shots that come again")
    parser.add_argument("--keep", type=Path, help="keep files and pages in this folder")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the measured figures; ``ok`` says whether every peak stays below the bar."""
    scores = [fresh(SCORES, str(tracks)) for tracks in args.tracks]
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for minutes in args.minutes:
            path = make_film(folder, minutes, args.silent)
            how = "remember" if args.remember else "ask"
            files.append(fresh(DETECT, str(path), str(path.with_suffix(".html")), how))
    peaks = [int(one["parent_mib"]) for one in (*scores, *files)]
    return {"scores": scores, "files": files, "bar_mib": BAR_MIB, "ok": max(peaks, default=0) < BAR_MIB}


def fresh(code: str, *arguments: str) -> dict[str, object]:
    """Return what ``code`` prints as JSON in an interpreter of its own, whose peak is nobody else's."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}){code}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, object] = json.loads(done.stdout)
    return figures


def make_film(folder: Path, minutes: float, is_silent: bool = False) -> Path:
    """Write a film of small pictures with a cut every SHOT_SECONDS, and a voice throughout unless it is silent."""
    silent, piece = folder / "shots.mp4", folder / "shots_with_voice.mp4"
    path = folder / f"{'silent_' if is_silent else ''}film_{minutes:g}.mp4"
    if not piece.exists():
        write_shots(silent)
        voice = ("-stream_loop", "-1", "-i", CLIPS / "talking.mp4")
        run_ffmpeg(
            *("-i", silent, *voice, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac"),
            *("-ac", "1", "-ar", "16000", "-t", str(SHOTS * SHOT_SECONDS), piece),
        )
    chosen = silent if is_silent else piece
    run_ffmpeg("-stream_loop", "-1", "-i", chosen, "-t", str(60 * minutes), "-c", "copy", path)
    return path


def write_shots(path: Path) -> None:
    """Write SHOTS shots one after the other, no two of them alike."""
    rng = np.random.default_rng(0)
    scenes = [frames_of(CLIPS / name) for name in ("talking.mp4", "several_faces.mp4", "no_sound.mp4", "cuts.mp4")]
    photograph = cv2.cvtColor(cv2.imread(str(ROOT / "tests" / "data" / "astronaut.jpg")), cv2.COLOR_BGR2RGB)
    scenes.append([photograph])
    count = round(SHOT_SECONDS * FPS)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for shot in range(SHOTS):
            parts = [taken(scenes[rng.integers(len(scenes))], rng, count, wide=shot % 3 != 2)]
            if shot % 3 == 2:  # two faces side by side
                parts.append(taken(scenes[rng.integers(len(scenes))], rng, count, wide=False))
            for index in range(count):
                picture = np.concatenate([part[index] for part in parts], axis=1)
                stream_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(stream_frame))
        container.mux(stream.encode(None))


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    """Return the pictures of a clip, uint8 (height, width, 3) RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def taken(scene: list[NDArray[np.uint8]], rng: np.random.Generator, count: int, wide: bool) -> list[NDArray[np.uint8]]:
    """Return ``count`` pictures of a scene, cropped, mirrored, coloured and drifting in a way of their own."""
    size = (WIDTH if wide else WIDTH // 2, HEIGHT)
    first, mirror = rng.integers(len(scene)), rng.random() < 0.5
    share, shift, drift = rng.uniform(0.8, 1.0), rng.random(2), rng.uniform(-0.06, 0.06, 2)
    gains, light = rng.uniform(0.6, 1.3, 3), rng.uniform(-30, 30)
    made = []
    for index in range(count):
        picture = scene[(first + index) % len(scene)]
        height, width = picture.shape[:2]
        side = share * min(height / size[1], width / size[0])
        box = np.array([size[0] * side, size[1] * side])
        at = np.clip(shift + drift * index / count, 0, 1) * (np.array([width, height]) - box)
        left, top, right, bottom = np.round([*at, *(at + box)]).astype(int)
        small = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        made.append(np.clip((small[:, ::-1] if mirror else small) * gains + light, 0, 255).astype(np.uint8))
    return made
