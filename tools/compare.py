# SPDX-License-Identifier: Apache-2.0
"""Score several models on several sets and print the table of a paper, or compare scores that are there already.

    python tools/compare.py --models cad_small_3 runs/meso4 runs/aasist_l --sets fav.csv lavdf.csv --split test
    python tools/compare.py --manifest M.csv --split val ours=OURS.csv theirs=THEIRS.csv

A model is a packaged name, a folder of weights, an .onnx file, a checkpoint, the folder of a run or its best/, or a
file of scores (.csv, .parquet, with the columns path and score, larger = fake). Tables have a line a model and a column
a set, then the differences from the first model on the rows that both scored, bootstrapped over identities with the
same draws. Scores stay under --out; the same line run again goes on where it stopped. Tables go to standard output (and
to --out in every format), everything else to standard error.

The second form prints every figure of each detector on the rows that all of them scored, and every pair's differences.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate import PROTOCOLS, foreign_rows, read_manifests
from progress_line import ProgressLine

from cad.command import run_command
from cad.data.checks import check_manifest, findings_text, refuse_errors
from cad.data.manifest import read_manifest
from cad.errors import OptionError
from cad.evaluation.comparison import compare_systems, comparison_markdown
from cad.evaluation.detector_scorer import DetectorScorer
from cad.evaluation.formats import FORMATS
from cad.evaluation.joining import join_part, read_scores
from cad.evaluation.model_tables import ModelOnSet, json_of, model_tables
from cad.evaluation.model_weights import ModelWeights, find_weights
from cad.evaluation.paired_tables import paired_tables
from cad.evaluation.part import Part, slug
from cad.evaluation.parts import parts_of
from cad.evaluation.protocols import Kind, Protocol, load_protocol
from cad.evaluation.report import build_report
from cad.evaluation.runner import run_part
from cad.evaluation.tables import Document

if TYPE_CHECKING:
    import pandas as pd

SCORE_SUFFIXES = (".csv", ".parquet")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 compared, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("systems", nargs="*", metavar="NAME=SCORES[@THRESHOLD]", help="scores to compare on the rows of --manifest")
    add("--manifest", type=Path, help="of the scores")
    add("--models", nargs="+", metavar="[NAME=]MODEL", help="what is scored, or a file of scores; the first is held "
        "against each other")
    add("--sets", nargs="+", metavar="[NAME=]MANIFEST", help="on what")
    add("--root", type=Path, help="folder that the manifests' paths are relative to")
    add("--protocol", default="manifest", help="which rows, and how they are changed: see tools/evaluate.py")
    add("--split", help="rows of this split (default: the protocol's)")
    add("--clips", type=int, help="at most so many rows of each class (default: the protocol's, 0 = all)")
    add("--out", type=Path, default=Path("evaluation") / "compare", help="where scores and tables go "
        "(default: %(default)s)")
    add("--format", choices=tuple(FORMATS), default="md", help="of the tables on standard output (default: md)")
    add("--resamples", type=int, default=1000, help="bootstrap resamples of each interval")
    add("--seed", type=int, default=0, help="of the resampling of scores")
    add("--threads", type=int, default=0, help="threads of the models, 0 = every core")
    add("--force", action="store_true", help="go on although a check says that the figures will mean little")
    # fmt: on
    options = parser.parse_args(arguments)
    return run_command(lambda: compare(options), "compare")


def compare(options: argparse.Namespace) -> int:
    """Do what the options say and print the tables."""
    if bool(options.models) != bool(options.sets):
        raise OptionError("--models and --sets go together: what is scored, and on what")
    if bool(options.models) == bool(options.systems):
        raise OptionError("give either --models and --sets, or --manifest and NAME=SCORES for each detector")
    if options.systems and options.manifest is None:
        raise OptionError("scores are compared on the rows of --manifest")
    print(compare_models(options) if options.models else compare_scores(options), end="")
    return 0


def compare_models(options: argparse.Namespace) -> str:
    """Score every model on every set, write the tables, and return them in the chosen format."""
    sets = check_sets(options)
    models = {name: find_model(path) for name, path in named(options.models, "models", model_name).items()}
    found: list[ModelOnSet] = []
    scored: dict[str, dict[str, pd.DataFrame]] = {}
    notes: list[str] = []
    try:
        for name, model in models.items():
            for one, rows in score_model(name, model, sets, options, notes):
                found.append(one)
                scored.setdefault(one.dataset, {})[name] = rows
    except KeyboardInterrupt:
        print(f"compare: stopped; the same line goes on from {options.out}", file=sys.stderr)
        raise
    facts = [f"Protocol: `{options.protocol}`. {options.resamples} resamples.", *notes]
    document = model_tables(found, "Models by sets", facts=facts)
    tables = [*document.tables, *paired_tables(scored, options.resamples, options.seed)]
    return write(dataclasses.replace(document, tables=tables), found, options)


@dataclass(frozen=True, slots=True)
class Set:
    """What is scored of a set: the protocol's parts of it by what tables call them, and the paths of all its rows."""

    protocol: Protocol
    parts: Mapping[str, Part]
    paths: frozenset[str]


def check_sets(options: argparse.Namespace) -> dict[str, Set]:
    """Return the sets by name, all of them checked before any is scored."""
    protocol = load_protocol(options.protocol, PROTOCOLS)
    if protocol.kind is Kind.SHORTCUTS:
        raise OptionError(f"{protocol.name} fits baselines, it does not score models")
    changes = {key: getattr(options, key) for key in ("split", "clips") if getattr(options, key) is not None}
    protocol = dataclasses.replace(protocol, **changes)
    found = {}
    for name, path in named(options.sets, "sets", lambda path: Path(path).stem).items():
        (manifest,) = read_manifests([f"{name}={path}"], options.root).values()
        findings = check_manifest(manifest, protocol.split or None)
        print(findings_text(name, findings), file=sys.stderr)
        if warning := foreign_rows(protocol, name, manifest):
            print(f"compare: {warning}", file=sys.stderr)
        if not options.force:
            refuse_errors(name, findings)
        parts = list(parts_of(protocol, {name: manifest}))
        learnt = sum(int((part.rows["split"] == "train").sum()) for part in parts)
        if learnt and protocol.split != "train":
            text = f"{name}: {learnt} rows are of the train split; --split test leaves them out"
            print(f"compare: {text}", file=sys.stderr)
        titles = [name if len(parts) == 1 else f"{name}, {part.name}" for part in parts]
        found[name] = Set(protocol, dict(zip(titles, parts, strict=True)), frozenset(manifest.rows["path"]))
    return found


def named(arguments: Sequence[str], kind: str, name_of: Callable[[str], str]) -> dict[str, str]:
    """Return what ``NAME=PATH`` arguments name by name; one without a name has its own."""
    found: dict[str, str] = {}
    for argument in arguments:
        name, sign, path = argument.partition("=")
        if not sign or Path(argument).exists():
            name, path = name_of(argument), argument
        if not name or not path:
            raise OptionError(f"{argument!r} of --{kind} must be NAME=PATH or PATH")
        if name in found:
            raise OptionError(f"two of --{kind} are called {name!r}: give one of them another name, NAME=PATH")
        found[name] = path
    return found


def model_name(path: str) -> str:
    """Return what tables call a model: its run, its file, or its own name."""
    place = Path(path)
    if place.name in ("best", "model.safetensors", "model.onnx"):
        return model_name(str(place.absolute().parent))
    return place.stem if place.is_file() else place.name


@dataclass(frozen=True, slots=True)
class Scores:
    """What somebody else's model said."""

    file: Path
    table: pd.DataFrame


def find_model(path: str) -> ModelWeights | Scores:
    """Return what the detector opens, or scores that are there already."""
    if Path(path).suffix in SCORE_SUFFIXES:
        return Scores(Path(path), read_scores(Path(path)))
    return find_weights(path)


def score_model(
    name: str, model: ModelWeights | Scores, sets: Mapping[str, Set], options: argparse.Namespace, notes: list[str]
) -> list[tuple[ModelOnSet, pd.DataFrame]]:
    """Return the figures of a model on every part of every set, and the rows with its scores."""
    if isinstance(model, Scores):
        return measure_file(name, model, sets, options, notes)
    scorer = DetectorScorer(model.name, options.threads)
    first = scorer.identity.split()
    notes += [f"{name}: `{first[0]}`, sha256 `{first[1][:12]}`.", *(f"{name}: {line}" for line in model.notes)]
    folder = options.out / "scores" / f"{slug(name)}-{hashlib.sha256(scorer.identity.encode()).hexdigest()[:8]}"
    found = []
    for dataset in sets.values():
        plan = dataclasses.replace(dataset.protocol, groups=())
        for title, part in dataset.parts.items():
            progress = ProgressLine(f"{name} on {title}")
            out = folder / slug(title)
            result = run_part(part, scorer, scorer.thresholds, plan, out, progress, options.resamples)
            progress.done()
            one = ModelOnSet(name, title, result.report, scorer.identity, scorer.is_calibrated)
            found.append((one, result.joined.rows))
    return found


def measure_file(
    name: str, scores: Scores, sets: Mapping[str, Set], options: argparse.Namespace, notes: list[str]
) -> list[tuple[ModelOnSet, pd.DataFrame]]:
    """Return the figures of foreign scores on the parts of which they have rows."""
    notes.append(f"{name}: scores of {scores.file.name}.")
    found = []
    for dataset in sets.values():
        for title, part in dataset.parts.items():
            if not set(part.rows["path"]) & set(scores.table["path"]):
                print(f"compare: {scores.file} has no row of {title}", file=sys.stderr)
                continue
            joined = join_part(part.rows, scores.table, dataset.paths)
            how = {"resamples": options.resamples, "seed": dataset.protocol.seed}
            report = build_report(joined, {"file": 0.5}, groups=(), **how)
            found.append((ModelOnSet(name, title, report, scores.file.name), joined.rows))
    return found


def write(document: Document, found: Sequence[ModelOnSet], options: argparse.Namespace) -> str:
    """Write the tables in every format under --out and return them in the chosen one."""
    options.out.mkdir(parents=True, exist_ok=True)
    texts = {format: as_text(document) for format, as_text in FORMATS.items()}
    for format, text in texts.items():
        (options.out / f"table.{'tex' if format == 'latex' else format}").write_text(text, encoding="utf-8")
    (options.out / "table.json").write_text(json.dumps(json_of(found), indent=1) + "\n", encoding="utf-8")
    print(f"compare: scores and tables are in {options.out}", file=sys.stderr)
    return texts[options.format]


def compare_scores(options: argparse.Namespace) -> str:
    """Return the comparison of scores on the rows of one manifest as Markdown."""
    rows = read_manifest(options.manifest, options.root).select(options.split).rows
    systems, thresholds = {}, {}
    for argument in options.systems:
        name, _, rest = argument.partition("=")
        path, _, threshold = rest.partition("@")
        if not rest:
            raise OptionError(f"{argument!r} must be NAME=SCORES, with @THRESHOLD behind it if it is not 0.5")
        systems[name], thresholds[name] = read_scores(Path(path)), float(threshold or 0.5)
    found = compare_systems(rows, systems, thresholds, resamples=options.resamples, seed=options.seed)
    for name, counts in found.problems.items():
        for kind, count in counts.items():
            print(f"compare: {name}: {count} x {kind}", file=sys.stderr)
    if found.left_out:
        print(f"compare: {found.left_out} rows without a score of every detector are left out", file=sys.stderr)
    return comparison_markdown(found) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
