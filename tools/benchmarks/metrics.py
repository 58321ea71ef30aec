# SPDX-License-Identifier: Apache-2.0
"""How long a manifest of a million rows takes to load and to measure (`tools/bench.py metrics`).

Rows and scores are generated: twelve methods, five thousand people, a tenth of the rows genuine. Wall-clock and CPU
seconds are both given; the bar is on the wall clock of an idle machine with 2 cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas
from benchmarks.decode import timed

from cad.data.manifest import Manifest, read_manifest, write_manifest
from cad.evaluation.joining import join
from cad.evaluation.report import build_report

METHODS = 12
PEOPLE = 5_000
LOAD_BAR_SECONDS, MEASURE_BAR_SECONDS = 10.0, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples of every figure")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the measured figures; ``ok`` says whether both bars are kept."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        path = Path(folder) / "manifest.parquet"
        write_manifest(generated_rows(args.rows, rng), path)
        (load_wall, load_cpu), manifest = timed(lambda: read_manifest(path))
    scores = generated_scores(manifest, rng)
    (wall, cpu), report = timed(
        lambda: build_report(join(manifest.rows, scores), {}, groups=("method",), resamples=args.resamples)
    )
    auc = report.views[0].measured.estimates["auc"]
    return {
        "rows": args.rows,
        "people": PEOPLE,
        "resamples": args.resamples,
        "load_seconds": round(load_wall, 2),
        "load_cpu_seconds": round(load_cpu, 2),
        "join_and_measure_seconds": round(wall, 2),
        "join_and_measure_cpu_seconds": round(cpu, 2),
        "groups": len(report.groups),
        "auc": [round(value, 5) for value in (auc.value, auc.low, auc.high)],
        "bars": [LOAD_BAR_SECONDS, MEASURE_BAR_SECONDS],
        "ok": load_wall <= LOAD_BAR_SECONDS and wall <= MEASURE_BAR_SECONDS,
    }


def generated_rows(number: int, rng: np.random.Generator) -> pandas.DataFrame:
    """Return the columns that an adapter writes for a set without stretches."""
    method = rng.integers(METHODS, size=number)
    fake = rng.random(number) < 0.9
    methods = np.array([f"method_{i}" for i in range(METHODS)], dtype=object)
    people = np.array([f"person_{i}" for i in range(PEOPLE)], dtype=object)
    return pandas.DataFrame(
        {
            "path": [f"part_{i // 1000:04d}/clip_{i:07d}.mp4" for i in range(number)],
            "label": fake.astype(np.int8),
            "video_fake": fake.astype(np.int8),
            "audio_fake": np.full(number, -1, dtype=np.int8),
            "method": np.where(fake, methods[method], "real"),
            "identity": people[rng.integers(PEOPLE, size=number)],
            "split": "test",
        }
    )


def generated_scores(manifest: Manifest, rng: np.random.Generator) -> pandas.DataFrame:
    """Return a probability for every row, higher for fakes."""
    label = manifest.rows["label"].to_numpy()
    score = 1 / (1 + np.exp(-(rng.normal(size=len(label)) + 2 * label - 1)))
    return pandas.DataFrame({"path": manifest.rows["path"], "p_file": score})
