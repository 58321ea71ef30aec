# SPDX-License-Identifier: Apache-2.0
"""What each precision of a net costs and gives: ``python tools/bench.py precisions --manifest CSV --out FILE``.

Clips of val are cut into windows once; every precision scores the same ones on the CPU. By head: AUC over clips (mean
logit of a clip's windows), Spearman's rank correlation with float32, by how much logits move, and the share of clips
that the shipped threshold puts on the other side. By precision: bytes, seconds to load, and the time of one window and
of four, as wall and processor time over float32's, all precisions taking turns. Ranges for static int8 come from clips
of train. Packaged nets are stored in int8, so that their float32 is widened int8: what rounding the weights once cost
does not show here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pandas as pd
from benchmarks.precision_costs import BATCHES, load_seconds, over, time_windows
from benchmarks.precision_scores import head_figures, score_clips
from benchmarks.precision_table import tables
from benchmarks.precision_variants import VARIANTS, watched, write_variant
from benchmarks.window_cache import CachedClip, cached_clips, chosen_rows

from cad.data.manifest import read_manifest
from cad.errors import DataError
from cad.evaluation.row_views import views_of
from cad.export.clip_windows import spread
from cad.export.static_int8 import measure_ranges
from cad.export.widening import widened
from cad.runtime.feeding import feed, has_video
from cad.runtime.session import read_spec
from cad.weights import find_entry
from cad.weights.session import open_session

#: Windows of each clip that are cut and kept.
CUT_WINDOWS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="with rows of val and of train")
    parser.add_argument("--model", action="append", help="weights by name or path; may be repeated")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--faces", type=int, default=0, help="val clips with a picture of each class; 0 for all")
    parser.add_argument("--sounds", type=int, default=60, help="val clips of sound alone of each class")
    parser.add_argument("--windows", type=int, default=CUT_WINDOWS, help=f"of each clip, at most {CUT_WINDOWS}")
    parser.add_argument("--train-faces", type=int, default=24, help="train clips of each class that ranges come from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beside", type=Path, help="an earlier file of figures, whose other nets are kept")
    parser.add_argument("--table", type=Path, help="also write the figures as tables to this file")
    parser.add_argument("--only-table", action="store_true", help="measure nothing; the figures are those of --beside")
    parser.add_argument("--cache", type=Path, required=True, help="folder for windows, files and scores")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the figures of every net."""
    models = [] if args.only_table else args.model or ["cad_base_1", "cad_small_3"]
    earlier = json.loads(args.beside.read_text(encoding="utf-8"))["models"] if args.beside else {}
    measured = {Path(name).name: figures_of(name, args) for name in models}
    figures: dict[str, object] = {"variants": VARIANTS, "models": {**earlier, **measured}}
    if args.table is not None:
        args.table.write_text(tables(figures), encoding="utf-8")
    return figures


def figures_of(model: str, args: argparse.Namespace) -> dict[str, object]:
    """Return the figures of one net in all precisions."""
    entry = find_entry(model)
    proto = widened(onnx.load(entry.path))
    spec = read_spec(open_session(entry.path.read_bytes(), entry.name), entry.name)
    windows = args.cache / "windows"
    train, val = (read_manifest(args.manifest).select(split) for split in ("train", "val"))
    seen = cached_clips(train, chosen_rows(train, args.train_faces, 1, args.seed), spec, windows, 1)
    looked_at = [feed([one]) for clip in seen for one in clip.windows if has_video(one)]
    ranges = measure_ranges(proto, watched(proto), looked_at)
    files = {name: args.cache / f"{entry.name}.{name}.onnx" for name in args.variants}
    for name, file in files.items():
        write_variant(name, proto, ranges, file)
    rows = chosen_rows(val, args.faces, args.sounds, args.seed)
    clips = list_clips(cached_clips(val, rows, spec, windows, CUT_WINDOWS), args.windows)
    loading, sessions = load_seconds(files, args.threads, args.repeats)
    costs = time_windows(sessions, clips, args.repeats)
    logits = score_clips(sessions, files, clips, args.cache / f"{entry.name}.scores.jsonl")
    rows = pd.DataFrame([clip.row for clip in clips]).reset_index(drop=True)
    views = [view for view in views_of(rows) if "," not in view.name and view.head != "file"]
    figures: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "threads": args.threads,
        "repeats": args.repeats,
        "train_windows": len(looked_at),
        "val_clips": len(clips),
        "val_clips_with_picture": sum(one.windows[0].track_id is not None for one in clips),
        "val_clips_fake": int(rows["label"].sum()),
        "val_windows": sum(len(one.windows) for one in clips),
    }
    for name, file in files.items():
        figures[name] = {
            "megabytes": round(file.stat().st_size / 1e6, 1),
            "load": over(loading, name),
            **{f"batch_{batch}": over(costs[batch], name) for batch in BATCHES},
            "heads": {view.head: head_figures(view, rows, logits, name, spec) for view in views},
        }
    return figures


def list_clips(clips: Iterable[CachedClip], most: int) -> list[CachedClip]:
    """Return the clips that have windows, with up to ``most`` of them, all held at once: 4 MB a window.

    Raises:
        DataError: There is none.
    """
    found = [CachedClip(clip.row, spread(clip.windows, most)) for clip in clips if clip.windows]
    if not found:
        raise DataError("no clip of val has a face or speech")
    return found
