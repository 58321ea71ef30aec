# SPDX-License-Identifier: Apache-2.0
"""By how much the picture's logit moves when a crop hardly does: ``python tools/bench.py crop_noise``.

Two changes that nobody can see: a few values of the crop by one level (what another version of a decoder, a warp or a
runtime does), and every value by one level at most (less than any camera's noise). What the first does is arithmetic,
such as rounding to 8 bits; what the second does the net has learnt. --model compares weights.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.detector import Detector
from cad.runtime.scorer import Scorer
from cad.windows import Window

ROOT = Path(__file__).resolve().parents[2]
FILES = (ROOT / "tests" / "golden" / "clips" / "still.jpg", ROOT / "tests" / "data" / "astronaut.jpg")
FEW = 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", help="weights, by name, folder or ONNX file (default: the package's)")
    parser.add_argument("--files", nargs="+", type=Path, default=FILES, help="stills with a face (two committed ones)")
    parser.add_argument("--draws", type=int, default=12, help="changes of each kind (default 12)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return for each file the logit of its face, and mean and deviation of the logit under both changes."""
    scorer, rng = Scorer(arguments.model, threads=1), np.random.default_rng(0)
    found = {}
    for path in arguments.files:
        window = first_window(path)
        changes = {
            "few_values": [few_changed(window.frames, rng) for _ in range(arguments.draws)],
            "all_values": [noisy(window.frames, rng) for _ in range(arguments.draws)],
        }
        row = {"logit": _rounded(logit(scorer, window))}
        for name, crops in changes.items():
            logits = [logit(scorer, replace(window, frames=one)) for one in crops]
            row |= {f"{name}_mean": _rounded(np.mean(logits)), f"{name}_deviation": _rounded(np.std(logits))}
        found[path.name] = row
    return {"model": scorer.entry.name, "sha256": scorer.entry.sha256, "draws": arguments.draws, "files": found}


def first_window(path: Path) -> Window:
    """Return the first window of a face that the product scores."""
    seen: list[Window] = []

    class Noting(Scorer):
        def run(self, batch: Any) -> Any:
            seen.extend(batch)
            return super().run(batch)

    with Detector() as detector:
        detector._scorer = Noting(threads=1)
        detector.detect(path)
    return next(one for one in seen if one.track_id is not None)


def logit(scorer: Scorer, window: Window) -> float:
    return scorer.score([window])[0].logits["video"]


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 3)


def few_changed(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return crops of which FEW values are changed by one level."""
    changed = frames.copy()
    changed.reshape(-1)[rng.integers(0, changed.size, FEW)] ^= 1
    return changed


def noisy(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return crops every value of which is changed by one level at most."""
    return np.clip(frames + rng.integers(-1, 2, frames.shape), 0, 255).astype(np.uint8)
