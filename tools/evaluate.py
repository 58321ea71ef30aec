# SPDX-License-Identifier: Apache-2.0
"""Score a manifest with the detector, or measure scores that are there already, and print the table.

    python tools/evaluate.py --manifest ../shared/data/manifest.csv --split val
    python tools/evaluate.py --protocol fakeavceleb_identity --manifest fakeavceleb.parquet --weights NAME
    python tools/evaluate.py --manifest M.csv --split val --scores THEIRS.csv

Scores are appended to --out as they come; the same line run again goes on where it stopped. The table goes to standard
output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.checks import check_manifest, findings_text, refuse_errors
from cad.data.manifest import Manifest, read_manifest
from cad.errors import OptionError, WeightsError
from cad.evaluation.detector_scorer import DetectorScorer
from cad.evaluation.joining import join, read_scores
from cad.evaluation.part import Part
from cad.evaluation.parts import parts_of
from cad.evaluation.protocols import Kind, Protocol, load_protocol
from cad.evaluation.report import build_report
from cad.evaluation.row_views import sample_rows
from cad.evaluation.runner import PartResult, run_part
from cad.evaluation.writing import write_results

PROTOCOLS = Path(__file__).resolve().parent.parent / "configs" / "protocols"
AUDIT = "tools/release/audit_shortcuts.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 measured, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--manifest", action="append", required=True, metavar="[NAME=]PATH", help="CSV or Parquet; may be repeated")
    add("--root", type=Path, help="folder that the manifest's paths are relative to")
    add("--protocol", default="manifest", help="name under configs/protocols, or a YAML file")
    add("--split", help="score this split (default: the protocol's)")
    add("--weights", help="name of the weights or their folder (default: the package's)")
    add("--weights-for", action="append", default=[], metavar="PART=WEIGHTS", help="other weights for one part")
    add("--scores", type=Path, help="measure these scores (path, score) instead of running the detector")
    add("--threshold", type=float, help="operating point for --scores (default 0.5)")
    add("--clips", type=int, help="at most so many rows of each class (default: the protocol's, 0 = all)")
    add("--out", type=Path, help="where scores, report and figures go (default: evaluation/<protocol>-<weights>)")
    add("--resamples", type=int, default=1000, help="bootstrap resamples for each interval")
    add("--threads", type=int, default=0, help="threads of the model, 0 = every core")
    add("--duplicates", action="store_true", help="also look for near-duplicates across splits (decodes every file)")
    add("--force", action="store_true", help="go on although a check says that the figures will mean little")
    options = parser.parse_args(arguments)
    return run_command(lambda: evaluate(options), "evaluate")


def evaluate(options: argparse.Namespace) -> int:
    """Run the evaluation and print the report as Markdown."""
    try:
        print(measure(options))
    except WeightsError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 4
    return 0


def measure(options: argparse.Namespace) -> str:
    """Check the manifests, score and measure, and return the report as Markdown."""
    protocol = load_protocol(options.protocol, PROTOCOLS)
    changes = {key: getattr(options, key) for key in ("split", "clips") if getattr(options, key) is not None}
    protocol = dataclasses.replace(protocol, **changes)
    manifests = read_manifests(options.manifest, options.root)
    for name, manifest in manifests.items():
        findings = check_manifest(manifest, protocol.split or None, near_duplicates=options.duplicates)
        print(findings_text(name, findings), file=sys.stderr)
        if warning := foreign_rows(protocol, name, manifest):
            print(f"evaluate: {warning}", file=sys.stderr)
        if not options.force:
            refuse_errors(name, findings)
    work = run_detector if options.scores is None else measure_scores
    return work(options, protocol, manifests)


def read_manifests(arguments: Sequence[str], root: Path | None) -> dict[str, Manifest]:
    """Return the manifests by name: the one given, or the file's own."""
    found = {}
    for argument in arguments:
        name, _, path = argument.rpartition("=")
        manifest = read_manifest(Path(path), root)
        for repeated in manifest.repeated_paths[:5]:
            print(f"evaluate: {path}: {repeated} stands there twice; the first row is used", file=sys.stderr)
        found[name or Path(path).stem] = manifest
    return found


def foreign_rows(protocol: Protocol, name: str, manifest: Manifest) -> str:
    """Return a warning where a protocol that is made for one data set meets rows of others, else nothing.

    The published split of FakeAVCeleb means nothing on another set, whose figures would still bear its name.
    """
    others = sorted(set(manifest.rows["dataset"]) - {protocol.dataset, ""}) if protocol.dataset else []
    return f"{protocol.name} is made for {protocol.dataset}; {name} has rows of {', '.join(others)}" if others else ""


def measure_scores(options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest]) -> str:
    """Measure foreign scores over the rows of the manifests."""
    threshold = {"file": 0.5 if options.threshold is None else options.threshold}
    scores, results = read_scores(options.scores), []
    for name, manifest in manifests.items():
        rows = sample_rows(manifest.select(protocol.split or None).rows, protocol.clips, protocol.seed)
        joined = join(rows, scores)
        how = {"groups": protocol.groups, "resamples": options.resamples, "seed": protocol.seed}
        results.append(PartResult(Part(name, rows, manifest.root), joined, build_report(joined, threshold, **how)))
        for problem in joined.problems[:20]:
            print(f"evaluate: {problem.path}: {problem.kind}: {problem.text}", file=sys.stderr)
    out = options.out or Path("evaluation") / f"{protocol.name}-{options.scores.stem}"
    facts = [f"Scores: {options.scores.name}; threshold {threshold['file']}; {options.resamples} resamples."]
    return write_results(results, protocol, facts, out, threshold)


def run_detector(options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest]) -> str:
    """Score the parts of the protocol with the detector and measure them."""
    if protocol.kind is Kind.SHORTCUTS:
        raise OptionError(f"{protocol.name} fits baselines, it does not score the detector: {AUDIT} does that")
    by_part = dict(pair.split("=", 1) for pair in options.weights_for)
    scorer_with = functools.cache(lambda weights: DetectorScorer(weights, options.threads))
    first = scorer_with(options.weights)
    out = options.out or Path("evaluation") / f"{protocol.name}-{first.identity.split()[0]}"
    points = ", ".join(f"{head} {threshold:.3f}" for head, threshold in first.thresholds.items())
    facts = [
        f"Weights: `{first.identity}`. Protocol: `{protocol.name}`. Split: `{protocol.split or 'all'}`. "
        f"{options.resamples} resamples. Operating points: {points}."
    ]
    results = []
    try:
        for part in parts_of(protocol, manifests):
            scorer, progress = scorer_with(by_part.get(part.name, options.weights)), Progress(part.name)
            results.append(run_part(part, scorer, scorer.thresholds, protocol, out, progress, options.resamples))
            progress.done()
            if scorer.identity != first.identity:
                facts.append(f"Weights of {part.name}: `{scorer.identity}`.")
        text = write_results(results, protocol, facts, out, first.thresholds)
    except KeyboardInterrupt:
        print(f"evaluate: stopped; the same line goes on from {out}", file=sys.stderr)
        raise
    print(f"evaluate: scores, report and figures are in {out}", file=sys.stderr)
    return text


class Progress:
    """A line on standard error that says how far a part is."""

    def __init__(self, part: str) -> None:
        self._part, self._start, self._last = part, time.monotonic(), 0.0
        self._step, self._end = (0.5, "\r") if sys.stderr.isatty() else (15.0, "\n")

    def __call__(self, number: int, total: int, path: str) -> None:
        now = time.monotonic()
        if now - self._last < self._step:
            return
        self._last = now
        left = f", about {(now - self._start) / number * (total - number):.0f} s left" if number else ""
        print(f"{self._part}: {number}/{total}{left}", end=self._end, file=sys.stderr, flush=True)

    def done(self) -> None:
        """Say that the part is finished."""
        print(f"{self._part}: finished after {time.monotonic() - self._start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
