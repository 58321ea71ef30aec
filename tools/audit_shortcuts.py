# SPDX-License-Identifier: Apache-2.0
"""Ask what the data gives away: controls fitted on one split and scored on another, beside a detector's scores.

    python tools/audit_shortcuts.py --manifest ../shared/data/manifest.csv --scores OURS.parquet

Prints a table of AUC by control, for all rows, rows with picture and sound alone. Features are kept in --out, so that a
second run only fits.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cad.data.benchmarks.checks import check_manifest, findings_text
from cad.data.benchmarks.manifest import Manifest, read_manifest
from cad.errors import CadError
from cad.evaluation.joining import join, read_scores
from cad.evaluation.protocols import Protocol, load_protocol
from cad.evaluation.report import Report, build_report
from cad.evaluation.shortcuts.controls import control, run_control
from cad.evaluation.shortcuts.features import clip_features
from cad.evaluation.tables import markdown_table

PROTOCOLS = Path(__file__).resolve().parent.parent / "configs" / "protocols"
VIEWS = ("file", "file, with picture", "file, sound alone")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 measured, 2 usage or data."""
    options = parse(arguments)
    try:
        print(audit(options))
    except CadError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--manifest", type=Path, required=True)
    add("--root", type=Path)
    add("--protocol", default="shortcuts")
    add("--split", help="scored split (default: the protocol's)")
    add("--train-split", help="fitted split (default: the protocol's)")
    add("--scores", action="append", default=[], metavar="[NAME=]PATH", help="a detector's scores for the same table")
    add("--out", type=Path, default=Path("evaluation") / "shortcuts", help="where features and scores are kept")
    add("--resamples", type=int, default=1000)
    return parser.parse_args(arguments)


def audit(options: argparse.Namespace) -> str:
    """Fit and score every control and return the table as Markdown."""
    protocol = load_protocol(options.protocol, PROTOCOLS)
    protocol = dataclasses.replace(
        protocol, split=options.split or protocol.split, train_split=options.train_split or protocol.train_split
    )
    manifest = read_manifest(options.manifest, options.root)
    print(findings_text(options.manifest.name, check_manifest(manifest, protocol.split)), file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    reports = control_reports(protocol, manifest, options)
    for argument in options.scores:
        name, _, path = argument.rpartition("=")
        joined = join(manifest.select(protocol.split).rows, read_scores(Path(path)))
        reports[name or Path(path).stem] = build_report(joined, {}, groups=(), resamples=options.resamples)
    text = table(reports)
    (options.out / "audit.md").write_text(text + "\n", encoding="utf-8")
    return text


def control_reports(protocol: Protocol, manifest: Manifest, options: argparse.Namespace) -> dict[str, Report]:
    """Return the report of each control; its scores are written beside the features."""
    train, test = manifest.select(protocol.train_split), manifest.select(protocol.split)
    seen = {split.rows["path"].iloc[0]: features_of(split, name, options.out) for split, name in (
        (train, protocol.train_split), (test, protocol.split))}  # fmt: skip
    train_features, test_features = seen[train.rows["path"].iloc[0]], seen[test.rows["path"].iloc[0]]
    columns = train_features.columns.union(test_features.columns)
    train_features, test_features = (part.reindex(columns=columns) for part in (train_features, test_features))
    reports = {}
    for name in protocol.controls:
        chosen = control(name)
        labels = train.rows["label"].to_numpy()
        scores = run_control(chosen, train_features, labels, test_features, protocol.seed)
        scored = test.rows[["path"]].assign(p_file=scores)
        scored.to_csv(options.out / f"{name}.csv", index=False)
        joined = join(test.rows, scored)
        reports[chosen.title] = build_report(joined, {}, groups=(), resamples=options.resamples)
        print(f"audit: {chosen.title}: done", file=sys.stderr)
    return reports


def features_of(manifest: Manifest, name: str, out: Path):
    """Return the features of all rows; those of an earlier or interrupted run are not measured again."""
    import pandas

    log = out / f"features_{name}.jsonl"
    known = read_features(log)
    paths = manifest.rows["path"].tolist()
    with log.open("a", encoding="utf-8") as stream:
        if log.stat().st_size and not log.read_bytes().endswith(b"\n"):
            stream.write("\n")
        for number, path in enumerate(paths, start=1):
            if path not in known:
                known[path] = measured_features(manifest, path)
                stream.write(json.dumps({"path": path, **known[path]}) + "\n")
                stream.flush()
            if number % 100 == 0:
                print(f"audit: {name}: {number}/{len(paths)}", file=sys.stderr, flush=True)
    return pandas.DataFrame([known[path] for path in paths])


def read_features(log: Path) -> dict[str, dict[str, float]]:
    """Return the features of a log by path; a line that was cut off is left out and measured again."""
    found = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row.pop("path")] = row
    return found


def measured_features(manifest: Manifest, path: str) -> dict[str, float]:
    """Return the features of one clip; one that cannot be read has none and is named."""
    try:
        return clip_features(manifest.file(path))
    except (CadError, av.FFmpegError) as error:
        print(f"audit: {path}: no features: {error}", file=sys.stderr)
        return {}


def table(reports: dict[str, Report]) -> str:
    """Return AUC by control and kind of row."""
    lines = []
    for name, report in reports.items():
        measured = {result.view.name: result for result in report.views}
        cells = []
        for view in VIEWS:
            found = measured.get(view)
            usable = found is not None and found.measured is not None
            cells.append(found.measured.estimates["auc"].text() if usable else "-")
        lines.append([name, *cells])
    headings = ["what is seen", "AUC, all rows", "AUC, with picture", "AUC, sound alone"]
    return markdown_table(headings, lines)


if __name__ == "__main__":
    raise SystemExit(main())
