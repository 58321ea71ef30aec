# SPDX-License-Identifier: Apache-2.0
"""Hold the shipped weights against the bars that were set before they were trained, and print a line for each.

    python tools/bars.py docs/evaluation --scores evaluation/val/scores/as_is.parquet --manifest MANIFEST.csv

Reads the reports that the release steps leave (docs/evaluation/README.md): val, reencoded, splices_one_second, desync
and shortcuts_val.json. With the scores and the manifest the fused head is also held against the best single stream
on each kind of forgery. The exit code is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas

from cad.data.benchmarks.manifest import read_manifest
from cad.evaluation.tables import estimate_from_json, markdown_table
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import measure
from cad.weights.registry import list_entries

#: (video_fake, audio_fake) of the manifest.
KINDS = {
    (0, 1): "voice alone forged",
    (1, 0): "face alone forged",
    (1, 1): "both forged",
    (1, -1): "face forged, voice unknown",
}
LEAST_FAKES = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what is measured, its figure, and the value that it must reach (or stay under)."""

    what: str
    figure: Estimate
    wanted: float
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Say whether the figure itself reaches the bar; the interval is there to be read."""
        return self.figure.value <= self.wanted if self.is_ceiling else self.figure.value >= self.wanted

    def line(self) -> list[str]:
        """Return the table's line."""
        sign = "at most" if self.is_ceiling else "at least"
        return [self.what, self.figure.text(), f"{sign} {self.wanted:g}", "met" if self.is_met else "**missed**"]


def bars_of(folder: Path) -> Iterator[Bar]:
    """Yield the bars that the reports in ``folder`` answer."""
    val = parts_of(folder / "val")["as_is"]
    speech = metrics_of(val, "audio head, sound alone")
    yield Bar("audio head, recordings of speech: AUC", speech["auc"], 0.95)
    yield Bar("audio head, recordings of speech: EER", speech["eer"], 0.11, is_ceiling=True)
    desync = parts_of(folder / "desync")
    shifts = {name: part for name, part in desync.items() if name.startswith("shift")}
    for name, part in (*shifts.items(), ("other speaker", desync["other speaker"])):
        wanted = 0.90 if name in shifts else 0.95
        yield Bar(f"sync head, {name}: AUC", metrics_of(part, "sync head")["auc"], wanted)
    yield Bar("offset within 80 ms, mean of the shifts", offset_share(shifts), 0.80)
    yield Bar("video head: AUC", metrics_of(val, "video head")["auc"], 0.90)
    yield Bar("fused head: AUC", metrics_of(val, "fused head")["auc"], 0.92)
    (spliced,) = parts_of(folder / "splices_one_second").values()
    yield Bar("one forged second: AP@0.5", estimate_from_json(spliced["localisation"]["AP@0.5"]), 0.60)
    reencoded = parts_of(folder / "reencoded")
    for name, title, wanted in (("as_is", "as they are", 0.05), ("reencoded", "re-encoded", 0.08)):
        rate = metrics_of(reencoded[name], "file")["fpr"]
        yield Bar(f"genuine clips called fake, {title}", rate, wanted, is_ceiling=True)
    file = metrics_of(val, "file")
    yield Bar("calibration error of the file, rows as they are", file["ece"], 0.08, is_ceiling=True)
    yield Bar("calibration error of the file, classes even", file["ece_balanced"], 0.08, is_ceiling=True)
    for view, above in shortcut_margins(folder / "shortcuts_val.json").items():
        yield Bar(f"AUC above the nearest shortcut control, {view}", above, 0.15)


def sizes() -> Iterator[Bar]:
    """Yield the bars on the sizes of the shipped files."""
    for entry in list_entries("detector"):
        ceiling = 16.0 if entry.manifest["default"] else 40.0
        yield Bar(f"`{entry.name}` in MB", exactly(entry.path.stat().st_size / 1e6), ceiling, is_ceiling=True)


def by_kind(scores: pandas.DataFrame, rows: pandas.DataFrame) -> Iterator[Bar]:
    """Yield how far the fused head lies below the best single stream on each kind of forgery."""
    heads = ("fused", "video", "audio")
    joined = rows.merge(scores, on="path")
    joined = joined[joined[[f"logit_{head}" for head in heads]].notna().all(axis=1)]
    kinds = list(zip(joined["video_fake"], joined["audio_fake"], strict=True))
    for kind, title in KINDS.items():
        fakes = np.array([(int(a), int(b)) == kind for a, b in kinds]) & (joined["label"] == 1)
        used = joined[fakes | (joined["label"] == 0)]
        if fakes.sum() < LEAST_FAKES:
            continue
        auc = {
            head: measure(used[f"logit_{head}"], used["label"], resamples=0).estimates["auc"].value for head in heads
        }
        below = max(auc["video"], auc["audio"]) - auc["fused"]
        yield Bar(f"fused below the best stream, {title} ({int(fakes.sum())})", exactly(below), 0.02, is_ceiling=True)


def exactly(value: float) -> Estimate:
    """Return a figure without an interval."""
    return Estimate(value, float("nan"), float("nan"))


def parts_of(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the parts of a report by name."""
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {part["name"]: part for part in document["parts"]}


def metrics_of(part: Mapping[str, Any], view: str) -> dict[str, Estimate]:
    """Return the figures of a view."""
    (found,) = (one for one in part["views"] if one["name"] == view)
    return {name: estimate_from_json(value) for name, value in found["measured"]["metrics"].items()}


def offset_share(shifts: Mapping[str, Mapping[str, Any]]) -> Estimate:
    """Return the mean over the shifts of the share within 80 ms; its ends are the means of theirs."""
    found = [estimate_from_json(part["offsets"]["within 80 ms"]) for part in shifts.values()]
    return Estimate(*(float(np.mean([getattr(one, end) for one in found])) for end in ("value", "low", "high")))


def shortcut_margins(path: Path) -> dict[str, Estimate]:
    """Return, for each kind of row, by how much the detector lies above the control that comes nearest."""
    nearest: dict[str, Estimate] = {}
    for item in json.loads(path.read_text(encoding="utf-8"))["beside"]:
        above = estimate_from_json(item["above"])
        if item["view"] not in nearest or above.value < nearest[item["view"]].value:
            nearest[item["view"]] = above
    return nearest


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 0 when all bars are met, 1 when one is missed, 2 when a report is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the reports")
    parser.add_argument("--scores", type=Path, help="scores/as_is.parquet of the val report")
    parser.add_argument("--manifest", type=Path)
    options = parser.parse_args(arguments)
    if (options.scores is None) != (options.manifest is None):
        parser.error("--scores and --manifest belong together")
    try:
        found = [*bars_of(options.folder), *sizes()]
        if options.scores is not None:
            found += by_kind(pandas.read_parquet(options.scores), read_manifest(options.manifest).rows)
    except (OSError, KeyError, ValueError) as error:
        print(f"bars: {error}; the release steps of docs/evaluation/README.md make the reports", file=sys.stderr)
        return 2
    print(markdown_table(["what", "measured", "bar", ""], [bar.line() for bar in found]))
    met = sum(bar.is_met for bar in found)
    print(f"\n{met} of {len(found)} met.")
    return 0 if met == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
