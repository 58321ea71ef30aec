# SPDX-License-Identifier: Apache-2.0
"""Ask what the data gives away: baselines fitted on one split and scored on another, beside a detector's scores.

    python tools/release/audit_shortcuts.py --manifest MANIFEST.csv --scores OURS.parquet --json AUDIT.json

Prints a table of AUC by baseline, for all rows, rows with picture and sound alone, and for every detector one that
holds it against each baseline on the rows that both scored. Features are kept in --out, so that a second run only fits.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av

from cad.command import run_command
from cad.data.checks import check_manifest, findings_text
from cad.data.manifest import Manifest, read_manifest
from cad.errors import CadError
from cad.evaluation.joining import join, read_scores
from cad.evaluation.protocols import Protocol, load_protocol
from cad.evaluation.report import Report, build_report
from cad.evaluation.shortcut_baselines.baselines import baseline, baseline_scores
from cad.evaluation.shortcut_baselines.features import clip_features
from cad.evaluation.shortcut_baselines.versus_baselines import (
    VIEWS,
    VersusBaseline,
    nearest_text,
    versus_baselines,
    versus_markdown,
)
from cad.evaluation.tables import estimate_json, markdown_table

PROTOCOLS = Path(__file__).resolve().parents[2] / "configs" / "protocols"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 measured, 2 usage or data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--manifest", type=Path, required=True)
    add("--root", type=Path)
    add("--protocol", default="shortcuts")
    add("--split", help="scored split (default: the protocol's)")
    add("--train-split", help="fitted split (default: the protocol's)")
    add("--scores", action="append", default=[], metavar="[NAME=]PATH", help="a detector's scores for the same table")
    add("--out", type=Path, default=Path("evaluation") / "shortcuts", help="where features and scores are kept")
    add("--json", type=Path, metavar="FILE", help="also write the result here, as fill_readme.py reads it")
    add("--markdown", type=Path, metavar="FILE", help="also write the printed document here")
    add("--resamples", type=int, default=1000)
    options = parser.parse_args(arguments)
    return run_command(lambda: audit(options), "audit_shortcuts")


def audit(options: argparse.Namespace) -> int:
    """Fit and score every baseline, print the report as Markdown and write what was asked for."""
    protocol = load_protocol(options.protocol, PROTOCOLS)
    changes = {key: getattr(options, key) for key in ("split", "train_split") if getattr(options, key)}
    protocol = dataclasses.replace(protocol, **changes)
    manifest = read_manifest(options.manifest, options.root)
    print(findings_text(options.manifest.name, check_manifest(manifest, protocol.split)), file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    train, test = manifest.select(protocol.train_split), manifest.select(protocol.split)
    baselines = scores_of_baselines(protocol, train, test, options.out)
    pairs = [argument.rpartition("=") for argument in options.scores]
    detectors = {name or Path(path).stem: read_scores(Path(path)) for name, _, path in pairs}
    reports = {
        name: build_report(join(test.rows, scores), {}, groups=(), resamples=options.resamples)
        for name, scores in {**baselines, **detectors}.items()
    }
    found = list(versus_baselines(test.rows, baselines, detectors, options.resamples))
    facts = (
        f"Controls fitted on `{protocol.train_split}` ({len(train.rows)} rows) and "
        f"scored on `{protocol.split}` ({len(test.rows)} rows) of `{options.manifest.name}`; brackets hold the 95 % "
        f"interval of {options.resamples} resamples over identities. What a control reaches, the data gives away."
    )
    parts = [f"# {protocol.title}", facts, table(reports)]
    for name in detectors:
        parts += [f"## {name} beside the controls", versus_markdown(found, name), nearest_text(found, name)]
    text = "\n\n".join(part for part in parts if part)
    stored = json.dumps(as_json(facts, reports, found, list(detectors)), indent=1) + "\n"
    for name, content, place in (("audit.md", text + "\n", options.markdown), ("audit.json", stored, options.json)):
        for path in (options.out / name, *([place] if place else [])):
            path.write_text(content, encoding="utf-8")
    print(text)
    return 0


def scores_of_baselines(protocol: Protocol, train: Manifest, test: Manifest, out: Path) -> dict[str, Any]:
    """Return the scores of each baseline by its title; they are written beside the features, too."""
    fitted = features_of(train, out / f"features_{protocol.train_split}.jsonl")
    judged = features_of(test, out / f"features_{protocol.split}.jsonl")
    columns = fitted.columns.union(judged.columns)
    train_features, test_features = fitted.reindex(columns=columns), judged.reindex(columns=columns)
    labels, sources = train.rows["label"].to_numpy(), train.rows["source"].astype(str).to_numpy()
    found = {}
    for name in protocol.controls:
        chosen = baseline(name)
        scores = baseline_scores(chosen, train_features, labels, test_features, protocol.seed, sources)
        found[chosen.title] = test.rows[["path"]].assign(p_file=scores)
        found[chosen.title].to_csv(out / f"{name}.csv", index=False)
        print(f"audit: {chosen.title}: done", file=sys.stderr)
    return found


def features_of(manifest: Manifest, log: Path) -> Any:
    """Return the features of all rows; those of an earlier or interrupted run are not measured again."""
    import pandas

    known = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        with contextlib.suppress(ValueError):  # a line that was cut off is measured again
            row = json.loads(line)
            known[row.pop("path")] = row
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
                print(f"{log.stem}: {number}/{len(paths)}", file=sys.stderr, flush=True)
    return pandas.DataFrame([known[path] for path in paths])


def measured_features(manifest: Manifest, path: str) -> dict[str, float]:
    """Return the features of one clip; one that cannot be read has none and is named."""
    try:
        return clip_features(manifest.file(path))
    except (CadError, av.FFmpegError) as error:
        print(f"audit: {path}: no features: {error}", file=sys.stderr)
        return {}


def table(reports: Mapping[str, Report]) -> str:
    """Return AUC by baseline or detector and kind of row, on all rows that it scored."""
    lines = []
    for name, report in reports.items():
        found = [report.measured(view) for view in VIEWS]
        lines.append([name, *(measured.estimates["auc"].text() if measured else "-" for measured in found)])
    return markdown_table(["what is seen", *(f"AUC, {title}" for title in VIEWS.values())], lines)


def as_json(
    facts: str, reports: Mapping[str, Report], found: Sequence[VersusBaseline], detectors: Sequence[str]
) -> dict[str, Any]:
    """Return the audit as plain JSON values."""
    measured = {
        name: {
            result.view.name: {
                "rows": result.rows,
                "unscored": result.unscored,
                "auc": estimate_json(result.measured.estimates["auc"]),
            }
            for result in report.views
            if result.view.name in VIEWS and result.measured is not None
        }
        for name, report in reports.items()
    }
    beside = [item.to_json() for item in found]
    return {"facts": facts, "detectors": list(detectors), "measured": measured, "beside": beside}


if __name__ == "__main__":
    raise SystemExit(main())
