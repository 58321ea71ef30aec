# SPDX-License-Identifier: Apache-2.0
"""How well photographs are told from genuine faces that keep still (`tools/bench.py stillness`).

Photographs are looped into clips as people do it: as they are, with noise, zoomed, panned, turned, faded, at several
sizes and qualities. Genuine faces are the crops of shards. No genuine face may be called frozen.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from benchmarks.media_clips import run_ffmpeg

from cad.data.records import CROP_MARGIN_PX
from cad.data.shards import ClipStore
from cad.faces.finder import FaceFinder
from cad.faces.stillness import LEAST_SLOTS, Stillness
from cad.faces.track_book import TrackBook
from cad.faces.tracker import FaceTracker
from cad.media.reader import open_media

ROOT = Path(__file__).resolve().parent.parent.parent
WAYS = {
    "plain": "null",
    "noise": "noise=alls=12:allf=t",
    "zoom": "zoompan=z='1+0.002*on':x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':d=1:s={size}:fps=25",
    "pan": "crop=iw*0.8:ih*0.9:(iw-ow)*t/6:(ih-oh)*t/9",
    "fade": "fade=t=in:d=1.5,fade=t=out:st=4.5:d=1.5",
    "turn": "rotate=0.03*t",
}
HEIGHTS, QUALITIES = (240, 480), (18, 28, 34, 40)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photographs", type=Path, nargs="*", default=[ROOT / "tests/data/astronaut.jpg"])
    parser.add_argument("--genuine", default=None, help="shards; without them only photographs")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return how many of each are called frozen; ``ok`` says whether no genuine face is."""
    finder, frozen = FaceFinder(), dict.fromkeys((str(crf) for crf in QUALITIES), 0)
    count = 0
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        for photograph, way, height in itertools.product(arguments.photographs, WAYS, HEIGHTS):
            count += 1
            for crf in QUALITIES:
                path = Path(folder) / "clip.mp4"
                make_clip(photograph, WAYS[way], height, crf, path)
                frozen[str(crf)] += is_frozen(path, finder)
    genuine = [] if arguments.genuine is None else list(genuine_faces(arguments.genuine))
    wrong = [key for key, called in genuine if called]
    return {
        "photographs_each": count,
        "called_frozen_by_crf": frozen,
        "genuine": len(genuine),
        "genuine_called_frozen": wrong,
        "ok": not wrong and frozen["18"] == frozen["28"] == count,
    }


def make_clip(photograph: Path, way: str, height: int, crf: int, path: Path) -> None:
    """Loop a photograph for six seconds."""
    size = f"{height}x{height}"
    fitted = f"scale={size}:force_original_aspect_ratio=increase,crop={height}:{height}"
    vf = f"{fitted},{way.format(size=size)},scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p"
    looped = ("-loop", "1", "-framerate", "25", "-t", "6", "-i", photograph)
    run_ffmpeg(*looped, "-vf", vf, "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-t", "6", path)


def is_frozen(path: Path, finder: FaceFinder) -> bool:
    """Return whether the longest face of a clip is called frozen."""
    tracker, book = FaceTracker(finder=finder), TrackBook(keep_pictures=False)
    with open_media(path) as reader:
        for chunk in reader.video_chunks():
            for crops in tracker.push(chunk):
                book.note(crops)
    for crops in tracker.flush():
        book.note(crops)
    tracks = book.summaries(None)
    return bool(tracks) and max(tracks, key=lambda track: track.seen_slots).is_frozen


def genuine_faces(shards: str) -> Iterator[tuple[str, bool]]:
    """Yield key and whether it is called frozen of every genuine clip that is long enough to tell."""
    store = ClipStore(shards)
    inner = slice(CROP_MARGIN_PX, -CROP_MARGIN_PX)
    for entry in store:
        if not entry.is_genuine or not entry.has_frames:
            continue
        clip = store.read(entry.key)
        assert clip.frames is not None
        crops = np.asarray(clip.frames)[clip.frames_present][:, inner, inner]
        if len(crops) >= LEAST_SLOTS:
            stillness = Stillness()
            stillness.push(crops)
            yield entry.key, stillness.is_frozen()
