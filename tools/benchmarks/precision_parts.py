# SPDX-License-Identifier: Apache-2.0
"""By how much each part's convolutions in static int8 move a net's logits: ``python tools/bench.py precision_parts``.

One part at a time computes on levels, the rest in float32; root of the mean square over windows of val clips, by head.
So the parts were chosen that ``int8_static`` lets multiply in integers (``cad.export.static_int8.LAYERS``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from benchmarks.precision_variants import watched
from benchmarks.window_cache import cached_clips, chosen_rows
from numpy.typing import NDArray

from cad.data.manifest import read_manifest
from cad.errors import DataError
from cad.export.static_int8 import measure_ranges, multiply_by_ranges, plan_of
from cad.export.widening import widened
from cad.runtime.feeding import feed, has_audio, has_video
from cad.runtime.session import read_spec
from cad.spec import HEADS
from cad.weights import find_entry
from cad.weights.session import open_session
from cad.windows import Window

#: By the beginnings of their weights' names.
PARTS = {
    "face: stem": ("model.face_encoder.conv_stem.",),
    **{f"face: block {stage}": (f"model.face_encoder.blocks.{stage}.",) for stage in range(7)},
    "lips": ("model.lip_encoder.net.",),
    "sound": ("model.speech_encoder.conv",),
    "alignment": ("model.align.",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="with rows of val and of train")
    parser.add_argument("--model", default="cad_small_3", help="weights by name or path")
    parser.add_argument("--clips", type=int, default=6, help="of each class, from val; ranges come from 24 of train")
    parser.add_argument("--cache", type=Path, required=True, help="folder for windows, as of the benchmark precisions")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the figures of all parts."""
    entry = find_entry(args.model)
    spec = read_spec(open_session(entry.path.read_bytes(), entry.name), entry.name)
    proto = widened(onnx.load(entry.path))
    seen: dict[str, list[Window]] = {}
    for split, count, most in (("train", 24, 1), ("val", args.clips, 2)):
        manifest = read_manifest(args.manifest).select(split)
        rows = chosen_rows(manifest, count, 1, seed=0)
        clips = cached_clips(manifest, rows, spec, args.cache / "windows", most)
        seen[split] = [clip.windows[0] for clip in clips if clip.windows and has_video(clip.windows[0])]
    names = [*watched(proto), *(name for part in PARTS.values() for name in plan_of(proto.graph, part).tensors)]
    ranges = measure_ranges(proto, dict.fromkeys(names), (feed([one]) for one in seen["train"]))
    judged = [one for one in seen["val"] if has_audio(one)]
    if not judged:
        raise DataError("no clip of val has a face and speech")
    before = logits_of(proto, judged)
    moves = {}
    for name, part in PARTS.items():
        made = onnx.ModelProto()
        made.CopyFrom(proto)
        plan = plan_of(made.graph, part)
        multiply_by_ranges(made.graph, plan, ranges)
        moved = np.sqrt(np.square(logits_of(made, judged) - before).mean(axis=0))
        moves[name] = {"convolutions": len(plan.convolutions)} | {
            head: round(float(value), 4) for head, value in zip(HEADS, moved, strict=True)
        }
    spread = {head: round(float(value), 3) for head, value in zip(HEADS, before.std(axis=0), strict=True)}
    return {"model": entry.name, "windows": len(judged), "spread_of_logits": spread, "logits_move": moves}


def logits_of(proto: onnx.ModelProto, windows: list[Window]) -> NDArray[np.float64]:
    """Return logits (windows, HEADS)."""
    session = open_session(proto.SerializeToString(), "parts", threads=2)
    outputs = [f"{head}_logit" for head in HEADS]
    return np.array([[value[0] for value in session.run(outputs, feed([one]))] for one in windows], np.float64)
