# SPDX-License-Identifier: Apache-2.0
"""Hold the shipped weights against the bars that were set before they were trained, and print a line for each.

    python tools/release/bars.py docs/evaluation --scores evaluation/val/scores/as_is.parquet --manifest MANIFEST.csv

Reads the reports that the release steps leave (docs/evaluation/README.md): val, reencoded, splices_one_second, desync
and shortcuts_val.json; they must be of the same weights. With the scores and the manifest the fused head is also held
against the best single stream on each kind of forgery. The exit code is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from cad.command import run_command
from cad.data.manifest import read_manifest
from cad.evaluation.stored_reports import StoredReport, read_audit, read_reports, view_figures
from cad.evaluation.tables import estimate_from_json, markdown_table
from cad.metrics.bootstrap import Estimate
from cad.metrics.roc import auc_of
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
    """Yield the bars that the reports in ``folder`` answer, all of one set of weights."""
    names = ("val", "desync", "splices_one_second", "reencoded")
    val, desync, splices, reencoded = read_reports(*(folder / name for name in names))
    clips = val.part("as_is")
    speech = view_figures(clips, "audio head, sound alone")
    yield Bar("audio head, recordings of speech: AUC", speech["auc"], 0.95)
    yield Bar("audio head, recordings of speech: EER", speech["eer"], 0.11, is_ceiling=True)
    yield from sync_bars(desync)
    yield Bar("video head: AUC", view_figures(clips, "video head")["auc"], 0.90)
    yield Bar("fused head: AUC", view_figures(clips, "fused head")["auc"], 0.92)
    (spliced,) = splices.parts.values()
    yield Bar("one forged second: AP@0.5", estimate_from_json(spliced["localisation"]["AP@0.5"]), 0.60)
    for name, title, wanted in (("as_is", "as they are", 0.05), ("reencoded", "re-encoded", 0.08)):
        rate = view_figures(reencoded.part(name), "file")["fpr"]
        yield Bar(f"genuine clips called fake, {title}", rate, wanted, is_ceiling=True)
    file = view_figures(clips, "file")
    yield Bar("calibration error of the file, rows as they are", file["ece"], 0.08, is_ceiling=True)
    yield Bar("calibration error of the file, classes even", file["ece_balanced"], 0.08, is_ceiling=True)
    _, beside = read_audit(folder / "shortcuts_val.json", val)
    for view in dict.fromkeys(item.view for item in beside):
        nearest = min((item.above for item in beside if item.view == view), key=lambda above: above.value)
        yield Bar(f"AUC above the nearest shortcut control, {view}", nearest, 0.15)


def sync_bars(desync: StoredReport) -> Iterator[Bar]:
    """Yield the bars of the sync head: every shift, another speaker, and the offsets that it tells."""
    other = desync.part("other speaker")
    shifts = {name: part for name, part in desync.parts.items() if name.startswith("shift")}
    for name, part in (*shifts.items(), ("other speaker", other)):
        yield Bar(f"sync head, {name}: AUC", view_figures(part, "sync head")["auc"], 0.90 if name in shifts else 0.95)
    # The ends of the mean are the means of the ends.
    found = [estimate_from_json(part["offsets"]["within 80 ms"]) for part in shifts.values()]
    share = Estimate(*(float(np.mean([getattr(one, end) for one in found])) for end in ("value", "low", "high")))
    yield Bar("offset within 80 ms, mean of the shifts", share, 0.80)


def sizes() -> Iterator[Bar]:
    """Yield the bars on the sizes of the shipped files."""
    for entry in list_entries("detector"):
        ceiling = 80.0 if entry.name.startswith("cad_base") else 16.0
        yield Bar(f"`{entry.name}` in MB", Estimate(entry.path.stat().st_size / 1e6), ceiling, is_ceiling=True)


def by_kind(scores: pandas.DataFrame, rows: pandas.DataFrame) -> Iterator[Bar]:
    """Yield how far the fused head lies below the best single stream on each kind of forgery."""
    heads = ("fused", "video", "audio")
    joined = rows.merge(scores, on="path")
    joined = joined[joined[[f"logit_{head}" for head in heads]].notna().all(axis=1)]
    kinds = list(zip(joined["video_fake"], joined["audio_fake"], strict=True))
    for kind, title in KINDS.items():
        fakes = np.array([(int(a), int(b)) == kind for a, b in kinds]) & (joined["label"] == 1)
        if fakes.sum() < LEAST_FAKES:
            continue
        real, fake = joined[joined["label"] == 0], joined[fakes]
        auc = {head: auc_of(fake[f"logit_{head}"], real[f"logit_{head}"]) for head in heads}
        below = max(auc["video"], auc["audio"]) - auc["fused"]
        yield Bar(f"fused below the best stream, {title} ({int(fakes.sum())})", Estimate(below), 0.02, is_ceiling=True)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 0 when all bars are met, 1 when one is missed, 2 when reports are unusable."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the reports")
    parser.add_argument("--scores", type=Path, help="scores/as_is.parquet of the val report")
    parser.add_argument("--manifest", type=Path)
    options = parser.parse_args(arguments)
    if (options.scores is None) != (options.manifest is None):
        parser.error("--scores and --manifest belong together")
    return run_command(lambda: print_bars(options), "bars")


def print_bars(options: argparse.Namespace) -> int:
    """Print the table and return the exit code."""
    found = [*bars_of(options.folder), *sizes()]
    if options.scores is not None:
        found += by_kind(pandas.read_parquet(options.scores), read_manifest(options.manifest).rows)
    print(markdown_table(["what", "measured", "bar", ""], [bar.line() for bar in found]))
    met = sum(bar.is_met for bar in found)
    print(f"\n{met} of {len(found)} met.")
    return 0 if met == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
