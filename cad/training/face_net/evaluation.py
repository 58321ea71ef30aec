# SPDX-License-Identifier: Apache-2.0
"""``measure_face_nets`` measures the face nets against their teacher: recall, points, false boxes, time."""

from __future__ import annotations

import logging
import platform
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cad.faces.finder import FaceFinder
from cad.faces.net import FaceNet
from cad.faces.points import REFINE_PX, PointNet
from cad.faces.records import FaceDetection
from cad.training.face_net.pictures import (
    HELD_SAMPLES,
    ClipLabels,
    Labelled,
    faceless_regions,
    load_pictures,
    overlap,
    read_labels,
    sample_pictures,
)
from cad.training.face_net.teacher import Floats, Picture, labels_path

_log = logging.getLogger(__name__)

#: A face of the teacher is found if some box overlaps its box (intersection over union) by this much.
SAME_FACE = 0.4
SIZE_BINS_PX = ((24, 40), (40, 64), (64, 128), (128, 4000))
BAR_SIZE_PX = 40
FACELESS_LEAST_PX = 80
#: The score at which the search would be used without a second look.
ALONE_SCORE = 0.5


@dataclass
class Tally:
    """What one way of finding does with the teacher's faces.

    Attributes:
        heights: Of each face, in pixels.
        errors: (5,) distances of each face's points, in eye distances; NaN where the face was not found.
        extra: Boxes away from everything that the teacher saw.
        frames: Pictures so far.
        missed: One line for each face that was not found.
    """

    heights: list[float] = field(default_factory=list)
    errors: list[Floats] = field(default_factory=list)
    extra: int = 0
    frames: int = 0
    missed: list[str] = field(default_factory=list)

    def add(self, one: Labelled, seen: list[FaceDetection]) -> None:
        """Count what was seen in a labelled picture."""
        self.frames += 1
        boxes = np.stack([face.box_px for face in seen]) if seen else np.zeros((0, 4), np.float32)
        for face in one.faces:
            height, points, shared = face[3] - face[1], face[4:].reshape(5, 2), overlap(face[:4], boxes)
            if not SIZE_BINS_PX[0][0] <= height < SIZE_BINS_PX[-1][1]:
                continue
            self.heights.append(height)
            if shared.max(initial=0) < SAME_FACE:
                self.missed.append(f"{one.clip}@{one.slot} {height:.0f} px")
                self.errors.append(np.full(5, np.nan))
            else:
                away = np.linalg.norm(seen[int(shared.argmax())].points_px - points, axis=1)
                self.errors.append(away / np.linalg.norm(points[1] - points[0]))
        known = np.concatenate([one.faces[:, :4], one.unsure])
        self.extra += sum(overlap(box, known).max(initial=0) < 0.1 for box in boxes)

    def figures(self) -> dict[str, Any]:
        """Return recall, errors in eye distances and false boxes."""
        heights, errors = np.array(self.heights), np.array(self.errors).reshape(-1, 5)
        is_found, is_large = ~np.isnan(errors[:, 0]), heights >= BAR_SIZE_PX
        inside = {f"{low}-{high}": (low <= heights) & (heights < high) for low, high in SIZE_BINS_PX}
        judged = errors[is_found & is_large]
        return {
            "faces": int(is_large.sum()),
            "recall": len(judged) / max(int(is_large.sum()), 1),
            "recall_by_height_px": {
                name: [int((is_found & here).sum()), int(here.sum())] for name, here in inside.items()
            },
            "point_error_mean": float(judged.mean()),
            "point_error_median": float(np.median(judged.mean(axis=1))),
            "point_error_by_point": judged.mean(axis=0).tolist(),
            "boxes_that_the_teacher_lacks_per_200_frames": 200 * self.extra / max(self.frames, 1),
        }


def faceless_pictures(pictures: list[Labelled]) -> list[Picture]:
    """Return parts of val frames beside their faces, and the sample pictures that were held back from training."""
    regions = [region for one in pictures for region in faceless_regions(one, FACELESS_LEAST_PX)]
    samples = sample_pictures(HELD_SAMPLES)
    rng = np.random.default_rng(5)
    for picture in list(samples):
        for _ in range(10):
            share = rng.uniform(0.3, 0.8)
            h, w = int(picture.shape[0] * share), int(picture.shape[1] * share)
            y, x = int(rng.integers(picture.shape[0] - h)), int(rng.integers(picture.shape[1] - w))
            samples.append(np.ascontiguousarray(picture[y : y + h, x : x + w]))
    return regions + samples


def milliseconds(run: Callable[[Picture], object], height: int, width: int, runs: int = 40) -> float:
    """Return the median CPU time of one net on one thread, which other work disturbs less than wall time."""
    picture = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    times = timeit.repeat(lambda: run(picture), timer=time.process_time, repeat=runs, number=1)
    return 1000 * float(np.median(times))


def teacher_spread(clips: list[ClipLabels], labels: Path) -> float:
    """Return how far the teacher's single run lies from its own mean over moved crops, in eye distances."""
    errors = []
    for clip in clips:
        with np.load(labels_path(labels, clip.path)) as z:
            is_large = z["face_box"][:, 3] - z["face_box"][:, 1] >= BAR_SIZE_PX
            means, plain = z["face_points"][is_large], z["face_points_plain"][is_large]
        for mean, once in zip(means, plain, strict=True):
            errors.append(np.linalg.norm(mean - once, axis=1).mean() / np.linalg.norm(mean[1] - mean[0]))
    return float(np.mean(errors))


def measure_face_nets(manifest: Path, labels: Path, search: str, points: str, per_clip: int) -> dict[str, Any]:
    """Return the figures of the finder that the product uses, and of the search alone, on rows of the split ``val``.

    Args:
        manifest: The rows.
        labels: Folder of the teacher's labels.
        search: Name of the net that searches.
        points: Name of the net that looks again.
        per_clip: Pictures of a clip.

    Raises:
        WeightsError: There are no such nets.
        FileNotFoundError: Sample pictures of scikit-image or scikit-learn are missing.
    """
    cv2.setNumThreads(1)
    clips = read_labels(manifest, labels, "val")
    pictures = load_pictures(clips, per_clip, long_side_px=4000, face_px=4000.0)
    net, look = FaceNet(search), PointNet(points)
    finder = FaceFinder(net, look)
    ways = {"finder": Tally(), "net_at_320": Tally()}
    for one in pictures:
        ways["finder"].add(one, finder.find(one.picture))
        ways["net_at_320"].add(one, _search_alone(finder, one.picture))
    empty = faceless_pictures(pictures)
    false = sum(len(finder.find(picture)) for picture in empty)
    false_search = sum(len(_search_alone(finder, picture)) for picture in empty)
    for line in ways["finder"].missed:
        _log.info("%s", line)
    return {
        "split": "val",
        "frames": len(pictures),
        "clips": len(clips),
        **{name: tally.figures() for name, tally in ways.items()},
        "faceless_pictures": len(empty),
        "false_boxes": false,
        "false_boxes_per_200": 200 * false / len(empty),
        "false_boxes_of_search_alone_per_200": 200 * false_search / len(empty),
        "teacher_single_run_from_its_mean": teacher_spread(clips, labels),
        "milliseconds_640x360": milliseconds(lambda picture: net.detect(picture, 0.5), 360, 640),
        "milliseconds_320x180": milliseconds(lambda picture: net.detect(picture, 0.5), 180, 320),
        "milliseconds_look": milliseconds(look.refine, REFINE_PX, REFINE_PX),
        "processor": _processor(),
    }


def _search_alone(finder: FaceFinder, picture: Picture) -> list[FaceDetection]:
    """Return what the search at 320 px finds by itself, at the score at which it stands alone."""
    found = finder.search(picture, min(1.0, 320 / max(picture.shape[:2])))
    return [face for face in found if face.score >= ALONE_SCORE]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or '?'} cores seen"
