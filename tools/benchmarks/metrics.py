# SPDX-License-Identifier: Apache-2.0
"""How long a manifest of a million rows takes to load and to measure: ``python tools/bench.py metrics``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np
import pandas

from cad.data.benchmarks.manifest import read_manifest, write_manifest
from cad.evaluation.joining import join
from cad.evaluation.report import build_report

METHODS = 12
PEOPLE = 5_000
MAX_LOAD_SECONDS, MAX_MEASURE_SECONDS = 10.0, 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate a manifest and scores, time loading and measuring, print JSON; exit code 1 if over the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        manifest_path = Path(folder) / "manifest.parquet"
        write_manifest(generated_rows(options.rows, rng), manifest_path)
        start = time.perf_counter()
        manifest = read_manifest(manifest_path)
        loaded = time.perf_counter() - start
    label = manifest.rows["label"].to_numpy()
    score = 1 / (1 + np.exp(-(rng.normal(size=options.rows) + 2 * label - 1)))
    scores = pandas.DataFrame({"path": manifest.rows["path"], "p_file": score})
    start = time.perf_counter()
    report = build_report(join(manifest.rows, scores), {}, groups=("method",), resamples=options.resamples)
    measured = time.perf_counter() - start
    auc = report.views[0].measured.estimates["auc"]
    result = {
        "rows": options.rows,
        "resamples": options.resamples,
        "load_seconds": round(loaded, 2),
        "join_and_measure_seconds": round(measured, 2),
        "views": len(report.views),
        "groups": len(report.groups),
        "auc": [round(value, 5) for value in (auc.value, auc.low, auc.high)],
    }
    print(json.dumps(result))
    return int(loaded > MAX_LOAD_SECONDS or measured > MAX_MEASURE_SECONDS)


def generated_rows(number: int, rng: np.random.Generator) -> pandas.DataFrame:
    """Return a manifest with twelve methods, five thousand people and a tenth of genuine rows."""
    method = rng.integers(METHODS, size=number)
    fake = rng.random(number) < 0.9
    person = rng.integers(PEOPLE, size=number)
    return pandas.DataFrame(
        {
            "path": [f"part_{i // 1000:04d}/clip_{i:07d}.mp4" for i in range(number)],
            "label": fake.astype(np.int8),
            "video_fake": fake.astype(np.int8),
            "audio_fake": np.full(number, -1, dtype=np.int8),
            "method": np.where(fake, np.char.add("method_", method.astype(str)), "real"),
            "identity": np.char.add("person_", person.astype(str)),
            "split": "test",
        }
    )


if __name__ == "__main__":
    raise SystemExit(main())
