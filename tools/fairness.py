# SPDX-License-Identifier: Apache-2.0
"""Measure whom the product calls fake, or does not see, though everything is genuine, and print the table.

    python tools/fairness.py --manifest MANIFEST.csv --root FOLDER --split val -o fairness/val
    python tools/fairness.py --manifest MANIFEST.csv --by accent --by source -o fairness/val --bar

The product runs over the genuine rows (stills, videos, recordings). Each is sorted by skin tone, light, size and pose
of the face, contrast, pitch, level, rate, band and length of the sound, and by columns of the manifest: sex, age,
glasses, mask, language and accent where it states them, and any other with --by. A picture is taken to show a face
unless the column has_face says 0.

Measures are appended to FOLDER/measures.jsonl as they come; the same line run again goes on where it stopped. The
tables go to standard output and to FOLDER (report.md, report.csv, report.tex, report.json, files.csv with every file
and its bins), everything else to standard error. With --bar the exit code is 1 when a bin breaks the bar.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from progress_line import ProgressLine

from cad.command import ExitCode, run_command, say
from cad.evaluation.fairness.answers import answered
from cad.evaluation.fairness.bin_figures import bins_of
from cad.evaluation.fairness.fairness_report import FairnessReport
from cad.evaluation.fairness.genuine_rows import genuine_rows, rows_without_face, stated_columns
from cad.evaluation.fairness.measure_log import measure_files
from cad.evaluation.fairness.measuring import FileMeasurer
from cad.evaluation.fairness.properties import PROPERTIES, column_property
from cad.evaluation.formats import FORMATS
from cad.evaluation.scorelog import read_scores_of_others

NAME = "fairness"
#: What the bar's exit code is when a bin breaks it.
BAR_BROKEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 measured, 1 --bar and broken, 2 usage or data, 3 nothing read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("--manifest", type=Path, required=True, help="CSV or Parquet")
    add("--root", type=Path, help="folder that the manifest's paths are relative to")
    add("--split", help="only the rows of this split")
    add("--where", action="append", default=[], metavar="COLUMN=VALUE,...", help="only such rows; may be repeated")
    add("--weights", help="packaged name, weights folder or .onnx file (default: the package's detector)")
    add("--by", action="append", default=[], metavar="COLUMN", help="sort by this column, too; may be repeated")
    add("-o", "--out", type=Path, required=True, metavar="FOLDER", help="where measures and report go")
    add("--format", choices=tuple(FORMATS), default="md", help="of the tables on standard output (default: md)")
    add("--threads", type=int, default=0, help="threads of the model, 0 = every core")
    add("--answers", type=Path, nargs="+", default=[], metavar="LOG",
        help="answers on stills and recordings, by scores such as those of tools/release/left_out_scores.py")
    add("--bar", action="store_true", help="exit code 1 if a bin breaks the bar")
    # fmt: on
    options = parser.parse_args(arguments)
    return run_command(lambda: fairness(options), NAME)


def fairness(options: argparse.Namespace) -> int:
    """Measure, print the tables and return the exit code."""
    manifest = genuine_rows(options.manifest, options.root, options.split, options.where)
    faceless = rows_without_face(manifest)
    by_column = stated_columns(manifest, options.by)
    properties = [*PROPERTIES, *(column_property(name, stated) for name, stated in by_column.items())]
    progress = ProgressLine(NAME)
    with FileMeasurer(options.weights, options.threads) as measurer:
        log = options.out / "measures.jsonl"
        measures = measure_files(manifest.rows["path"].tolist(), manifest.file, measurer, log, progress)
        identity, spec = measurer.identity, measurer.spec
    scores = {path: score for log in options.answers for path, score in read_scores_of_others(log)[1].items()}
    measures = answered(measures, scores, spec)
    progress.done(f"{len(measures)} files")
    bins = list(bins_of(measures, properties, faceless))
    filters = "".join(f", {text}" for text in options.where)
    fact = f"Weights: `{identity}`. Split: `{options.split or 'all'}`{filters}; {len(measures)} genuine rows."
    known = sum(measure.path in scores for measure in measures)
    by = ", ".join(log.name for log in options.answers)
    facts = [fact, *([f"Answers on {known} of them by {by}."] if scores else [])]
    report = FairnessReport(facts, measures, properties, bins)
    print(FORMATS[options.format](report.write(options.out)), end="")
    if not bins:
        say(NAME, f"none of the {len(measures)} genuine files could be read: {dict(report.unreadable)}")
        return ExitCode.INPUT_FAILED
    say(NAME, f"the report is in {options.out}")
    if options.bar:
        for line in report.broken:
            say(NAME, f"breaks the bar: {line}")
        return BAR_BROKEN if report.broken else ExitCode.OK
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
