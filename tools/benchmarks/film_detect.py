# SPDX-License-Identifier: Apache-2.0
"""What it costs to analyse and report a film, for `tools/bench.py film`: this process's peak, times and sizes."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.film_scores import peak_mib
from numpy.typing import NDArray

from cad import Detector
from cad.faces.finder import LONG_SIDES_PX, FaceFinder
from cad.faces.records import FaceDetection
from cad.report.writers import HtmlWriter, JsonWriter
from cad.runtime.feeding import Outputs
from cad.runtime.scorer import Scorer
from cad.windows import Window


def cost_of_file(path: Path, page: Path, remembers: bool) -> dict[str, object]:
    """Return what ``cad-detect --json --html`` costs on a file.

    Args:
        path: The file.
        page: Where the page goes.
        remembers: Ask the nets once about the same pictures, and take what they said from a table after that. All else
            is the product's own way, and the table holds what was said, not the pictures.
    """
    if remembers:
        remember_answers()
    out = io.StringIO()
    with Detector(keep_pictures=True) as detector:
        loaded, began = peak_mib(), time.perf_counter()
        (result,) = detector.detect_many([str(path)])
        analysed, seconds = peak_mib(), time.perf_counter() - began
    if result.verdict is None or result.analysis is None:
        raise RuntimeError(f"{path}: {result.error}")
    for writer in (JsonWriter(out, single=True), HtmlWriter(page)):
        writer.take(result)
        writer.close()
    faces = result.verdict.faces
    return {
        "seconds": round(result.verdict.media.duration_seconds),
        "has_sound": result.verdict.media.audio_hz is not None,
        "tracks": len(faces),
        "judged": sum(face.probability_fake is not None for face in faces),
        "windows": len(result.analysis.scores),
        "loaded_mib": loaded,
        "analysed_mib": analysed,
        "parent_mib": peak_mib(),
        "remembers": remembers,
        "wall_seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "json_kib": len(out.getvalue()) // 1024,
        "html_kib": page.stat().st_size // 1024,
    }


def remember_answers() -> None:
    """Let finder and scorer of this process answer what they were asked before from a table."""
    table: dict[bytes, Any] = {}
    find, refine, run = FaceFinder.find, FaceFinder.refine, Scorer.run

    def remembered(work: Callable[[], Any], *asked: object) -> Any:
        question = hashlib.blake2b(digest_size=16)
        for one in asked:
            question.update(np.ascontiguousarray(one).tobytes() if isinstance(one, np.ndarray) else repr(one).encode())
        key = question.digest()
        if key not in table:
            table[key] = work()
        return table[key]

    def find_again(
        self: FaceFinder,
        frame: NDArray[np.uint8],
        depth: int = len(LONG_SIDES_PX),
        known: Sequence[FaceDetection] = (),
        every_size: bool = False,
    ) -> list[FaceDetection]:
        places = [part for face in known for part in (face.box_px, face.points_px)]
        return list(
            remembered(lambda: find(self, frame, depth, known, every_size), "find", frame, depth, every_size, *places)
        )

    def refine_again(
        self: FaceFinder, frame: NDArray[np.uint8], points: Sequence[NDArray[np.float32]], least_score: float = 0.5
    ) -> list[FaceDetection | None]:
        return list(remembered(lambda: refine(self, frame, points, least_score), "refine", frame, least_score, *points))

    def run_again(self: Scorer, batch: Sequence[Window]) -> Outputs:
        said = [
            remembered(lambda one=one: run(self, [one]), one.frames, one.frames_present, one.audio, one.audio_present)
            for one in batch
        ]
        return {name: np.concatenate([one[name] for one in said]) for name in said[0]}

    FaceFinder.find, FaceFinder.refine, Scorer.run = find_again, refine_again, run_again  # type: ignore[method-assign]
