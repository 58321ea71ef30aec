# SPDX-License-Identifier: Apache-2.0
"""Score a manifest with the detector, or measure scores that are there already, and print the table.

    python tools/evaluate.py --manifest MANIFEST.csv --split val
    python tools/evaluate.py --protocol fakeavceleb_identity --manifest fav.parquet --weights runs/fav/best
    python tools/evaluate.py --manifest ffpp.parquet --split test --where category=c23 --where method=Deepfakes,real
    python tools/evaluate.py --protocol fakeavceleb_leave_one_out --manifest fav.parquet --scores THEIRS.csv
    python tools/evaluate.py --protocol localisation_lavdf --manifest lavdf.parquet --proposals THEIRS.json

Scores are appended to --out as they come; the same line run again goes on where it stopped. The tables go to standard
output and to --out (report.md, report.csv, report.tex, report.json), everything else to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from progress_line import ProgressLine

from cad.command import run_command
from cad.data.checks import check_manifest, findings_text, refuse_errors
from cad.data.manifest import Manifest, read_manifest
from cad.errors import OptionError
from cad.evaluation.detector_scorer import DetectorScorer
from cad.evaluation.foreign import ForeignScores, definition_of, measure_foreign, measure_proposals
from cad.evaluation.formats import FORMATS
from cad.evaluation.model_tables import UNCALIBRATED
from cad.evaluation.model_weights import ModelWeights, find_weights
from cad.evaluation.paper_groups import with_paper_groups
from cad.evaluation.parts import parts_of
from cad.evaluation.proposals import read_proposals
from cad.evaluation.protocols import Kind, Protocol, load_protocol
from cad.evaluation.row_filters import RowFilter, filtered
from cad.evaluation.runner import run_part
from cad.evaluation.tables import Document
from cad.evaluation.writing import write_located, write_results

PROTOCOLS = Path(__file__).resolve().parent.parent / "configs" / "protocols"
AUDIT = "tools/release/audit_shortcuts.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 measured, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("--manifest", action="append", required=True, metavar="[NAME=]PATH", help="CSV or Parquet; may be repeated")
    add("--root", type=Path, help="folder that the manifest's paths are relative to")
    add("--protocol", help="name under configs/protocols, or a YAML file (default: manifest)")
    add("--split", help="score this split (default: the protocol's)")
    add("--where", action="append", default=[], metavar="[NAME:]COLUMN=VALUE,...",
        help="only rows with one of these values in a column of the manifest (!= leaves them out); may be repeated")
    add("--weights",
        help="packaged name, weights folder, .onnx file, .safetensors checkpoint, run folder or its best/ "
        "(default: the package's detector)")
    add("--weights-for", action="append", default=[], metavar="PART=WEIGHTS", help="other weights for one part")
    add("--scores", action="append", default=[], metavar="[PART=]FILE",
        help="measure these scores (path, score) instead of running the detector; may be repeated, by part")
    add("--proposals", type=Path, metavar="FILE.json",
        help="measure these stretches (by file [score, start, stop], as LAV-DF and AV-Deepfake1M write them)")
    add("--proposals-fps", type=float, metavar="N",
        help="their times a second, 1 for seconds (default: the protocol's, frames at 25 for LAV-DF)")
    add("--threshold", type=float, help="operating point for --scores (default 0.5)")
    add("--clips", type=int, help="at most so many rows of each class (default: the protocol's, 0 = all)")
    add("--out", type=Path,
        help="where scores, report and figures go (default: evaluation/<protocol>-<manifests>-<weights>)")
    add("--format", choices=tuple(FORMATS), default="md", help="of the tables on standard output (default: md)")
    add("--resamples", type=int, default=1000, help="bootstrap resamples for each interval")
    add("--threads", type=int, default=0, help="threads of the model, 0 = every core")
    add("--duplicates", action="store_true", help="also look for near-duplicates across splits (decodes every file)")
    add("--force", action="store_true", help="go on although a check says that the figures will mean little")
    # fmt: on
    options = parser.parse_args(arguments)
    return run_command(lambda: evaluate(options), "evaluate")


def evaluate(options: argparse.Namespace) -> int:
    """Run the evaluation and print the report."""
    print(FORMATS[options.format](measure(options)), end="")
    return 0


def measure(options: argparse.Namespace) -> Document:
    """Check the manifests, score and measure, and return the report."""
    refuse_contradictions(options)
    protocol = load_protocol(options.protocol or ("localisation" if options.proposals else "manifest"), PROTOCOLS)
    changes = {key: getattr(options, key) for key in ("split", "clips") if getattr(options, key) is not None}
    protocol = dataclasses.replace(protocol, **changes)
    whole = read_manifests(options.manifest, options.root)
    filters = [RowFilter.of(text, list(whole)) for text in options.where]
    manifests = filtered(whole, filters)
    foreign = bool(options.scores or options.proposals)
    for name, manifest in manifests.items():
        findings = check_manifest(manifest, protocol.split or None, near_duplicates=options.duplicates)
        # What others measured needs no clips; stretches are found or not without a ranking of files.
        beside = {"missing_file", *(["one_class"] if options.proposals else [])} if foreign else set()
        findings = [finding for finding in findings if finding.code not in beside]
        print(findings_text(name, findings), file=sys.stderr)
        if warning := foreign_rows(protocol, name, manifest):
            print(f"evaluate: {warning}", file=sys.stderr)
        if not options.force:
            refuse_errors(name, findings)
    facts = [f"Only rows with {' and '.join(map(str, filters))}."] if filters else []
    if options.proposals:
        return locate(options, protocol, manifests, whole, facts)
    work = functools.partial(measure_scores, whole=whole) if options.scores else run_detector
    return work(options, protocol, manifests, facts)


def refuse_contradictions(options: argparse.Namespace) -> None:
    """Refuse options that another one leaves without meaning."""
    foreign = [name for name in ("scores", "proposals") if getattr(options, name)]
    if len(foreign) > 1:
        raise OptionError("--scores and --proposals are measured one at a time")
    if foreign and (options.weights or options.weights_for):
        raise OptionError(f"--{foreign[0]} stand in place of a model, so that no weights can be used")
    if options.threshold is not None and not options.scores:
        raise OptionError("--threshold is for --scores; a model has its own")
    if options.proposals_fps is not None and not options.proposals:
        raise OptionError("--proposals-fps says how --proposals counts time; there are none")


def out_folder(options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest], what: str) -> Path:
    """Return where a run goes: sets are kept apart, since their paths may be the same."""
    return options.out or Path("evaluation") / "-".join([protocol.name, "+".join(manifests), what])


def read_manifests(arguments: Sequence[str], root: Path | None) -> dict[str, Manifest]:
    """Return the manifests by name: the one given, or the file's own."""
    found: dict[str, Manifest] = {}
    for argument in arguments:
        name, _, path = argument.rpartition("=")
        name = name or Path(path).stem
        if name in found:
            raise OptionError(f"two manifests are called {name}; give one another name: --manifest NAME={path}")
        manifest = read_manifest(Path(path), root)
        for repeated in manifest.repeated_paths[:5]:
            print(f"evaluate: {path}: {repeated} stands there twice; the first row is used", file=sys.stderr)
        found[name] = with_paper_groups(manifest)
    return found


def foreign_rows(protocol: Protocol, name: str, manifest: Manifest) -> str:
    """Return a warning where a protocol that is made for one data set meets rows of others, else nothing.

    The published split of FakeAVCeleb means nothing on another set, whose figures would still bear its name.
    """
    others = sorted(set(manifest.rows["dataset"]) - {protocol.dataset, ""}) if protocol.dataset else []
    return f"{protocol.name} is made for {protocol.dataset}; {name} has rows of {', '.join(others)}" if others else ""


def measure_scores(
    options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest], facts: Sequence[str],
    whole: Mapping[str, Manifest],
) -> Document:  # fmt: skip
    """Measure foreign scores over the parts of the protocol."""
    threshold = 0.5 if options.threshold is None else options.threshold
    scores = ForeignScores.read(options.scores)
    results, without = measure_foreign(scores, protocol, manifests, all_paths(whole), threshold, options.resamples)
    for result in results:
        for problem in result.joined.problems[:20]:
            print(f"evaluate: {problem.path}: {problem.kind}: {problem.text}", file=sys.stderr)
    out = out_folder(options, protocol, manifests, next(iter(scores.files.values())).stem)
    told = [f"Scores: {scores}; threshold {threshold:g}; {options.resamples} resamples.", *facts]
    if without:
        told.append(f"Parts: {', '.join(result.part.name for result in results)}; {', '.join(without)} have no scores.")
    return write_results(results, protocol, told, out, {"file": threshold})


def locate(
    options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest], whole: Mapping[str, Manifest],
    facts: Sequence[str],
) -> Document:  # fmt: skip
    """Measure foreign proposals over the parts of the protocol."""
    proposals, known = read_proposals(options.proposals), all_paths(whole)
    fps, resamples = options.proposals_fps, options.resamples
    parts = list(measure_proposals(proposals, protocol, manifests, known, fps, resamples))
    for part in parts:
        for problem in part.problems[:20]:
            print(f"evaluate: {problem.path}: {problem.kind}: {problem.text}", file=sys.stderr)
        for note in part.notes:
            print(f"evaluate: {part.name}: {note}", file=sys.stderr)
    unit = definition_of(protocol, fps).units_per_second
    times = "seconds" if unit == 1 else f"frames at {unit:g} Hz"
    told = [f"Proposals: {options.proposals.name}, in {times}. Split: `{protocol.split or 'all'}`.", *facts]
    return write_located(parts, protocol, told, out_folder(options, protocol, manifests, options.proposals.stem))


def all_paths(manifests: Mapping[str, Manifest]) -> set[str]:
    """Return the paths of all rows."""
    return {path for manifest in manifests.values() for path in manifest.rows["path"]}


def run_detector(
    options: argparse.Namespace, protocol: Protocol, manifests: Mapping[str, Manifest], facts: Sequence[str]
) -> Document:
    """Score the parts of the protocol with the detector and measure them."""
    if protocol.kind is Kind.SHORTCUTS:
        raise OptionError(f"{protocol.name} fits baselines, it does not score the detector: {AUDIT} does that")
    by_part = dict(weights_for_part(pair) for pair in options.weights_for)
    found = {name: find_weights(name) for name in dict.fromkeys([options.weights, *by_part.values()])}
    scorer_with = functools.cache(lambda weights: DetectorScorer(found[weights].name, options.threads))
    first = scorer_with(options.weights)
    out = out_folder(options, protocol, manifests, first.identity.split()[0])
    points = ", ".join(f"{head} {threshold:.3f}" for head, threshold in first.thresholds.items())
    facts = [
        f"Weights: `{first.identity}`. Protocol: `{protocol.name}`. Split: `{protocol.split or 'all'}`. "
        f"{options.resamples} resamples. Operating points: {points}.",
        *facts,
        *missing_of(first, found[options.weights]),
    ]
    results = []
    try:
        for part in parts_of(protocol, manifests):
            scorer, progress = scorer_with(by_part.get(part.name, options.weights)), ProgressLine(part.name)
            results.append(run_part(part, scorer, scorer.thresholds, protocol, out, progress, options.resamples))
            progress.done()
            if scorer.identity != first.identity:
                facts.append(f"Weights of {part.name}: `{scorer.identity}`.")
                facts += missing_of(scorer, found[by_part[part.name]])
        document = write_results(results, protocol, facts, out, first.thresholds)
    except KeyboardInterrupt:
        print(f"evaluate: stopped; the same line goes on from {out}", file=sys.stderr)
        raise
    print(f"evaluate: scores, report and figures are in {out}", file=sys.stderr)
    return document


def weights_for_part(pair: str) -> tuple[str, str]:
    """Return part and weights of ``PART=WEIGHTS``."""
    part, sign, weights = pair.partition("=")
    if not (part and sign and weights):
        raise OptionError(f"--weights-for {pair!r} must be PART=WEIGHTS")
    return part, weights


def missing_of(scorer: DetectorScorer, weights: ModelWeights) -> list[str]:
    """Return what a model lacks, a line each, and say it on standard error."""
    lines = [*weights.notes, *([] if scorer.is_calibrated else [f"Model {UNCALIBRATED}."])]
    for line in lines:
        print(f"evaluate: {line}", file=sys.stderr)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
