# SPDX-License-Identifier: Apache-2.0
"""Make of what fits said of left-out rows the scores that export/calibrate.py --scores takes, and their manifest.

    python tools/release/left_out_scores.py --manifest MANIFEST --split val --rows further.csv stills.csv \\
      --voice runs/voice/left_out.csv --picture runs/picture -o left_out

tools/training/fit_audio_head.py and fit_picture.py keep the logit of every training row by heads that had not seen its
source. Recordings without a picture (--voice) and stills (--picture, by the large judge, which speaks alone there) are
what such a head judges like the product: of a recording the mean over its windows, of a still its only frame. Talking
heads are left out, since no fit knows their fused logit. Written are OUT/rows.csv, the rows of --split and all others
under that split's name, OUT/voice.scores.jsonl and OUT/picture.scores.jsonl.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import Row, frame_of, read_manifest, write_manifest
from cad.errors import DataError
from cad.evaluation.records import FileScore
from cad.evaluation.scorelog import write_log


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--manifest", type=Path, required=True, help="whose rows of --split the product itself has scored")
    add("--split", default="val", help="of these rows")
    add("--rows", type=Path, nargs="+", default=[], help="further manifests that training rows come from")
    add("--voice", type=Path, help="left_out.csv of tools/training/fit_audio_head.py")
    add("--picture", type=Path, help="folder of a run of tools/training/fit_picture.py that left groups out")
    add("-o", "--output", type=Path, required=True, help="folder to write to")
    return run_command(lambda: convert(parser.parse_args(words)), "left_out_scores")


def convert(options: argparse.Namespace) -> int:
    """Write the scores and the manifest."""
    given = read_manifest(options.manifest)
    known = {row.path: row for path in (options.manifest, *options.rows) for row in read_manifest(path).records()}
    rows = list(given.select(options.split).records())
    options.output.mkdir(parents=True, exist_ok=True)
    for name, source, read in (("voice", options.voice, _voice), ("picture", options.picture, _picture)):
        if source is None:
            continue
        said = read(source)
        if unknown := sorted(said.keys() - known.keys()):
            raise DataError(f"{source}: no manifest has {unknown[0]} ({len(unknown)} such rows); name it with --rows")
        head = "audio" if name == "voice" else "video"
        scores = (FileScore(path=path, answer="inconclusive", logit={head: logit}) for path, logit in said.items())
        write_log(
            options.output / f"{name}.scores.jsonl", f"{name} heads that had not seen the source: {source}", scores
        )
        rows += [replace(judged_row(known[path], head), split=options.split) for path in said]
        print(f"{name}: {len(said)} rows")
    write_manifest(frame_of(rows), options.output / "rows.csv")
    return 0


def judged_row(row: Row, head: str) -> Row:
    """Return a row as the one head judges it: its label is that stream's, of the other nothing is known."""
    fake = row.audio_fake if head == "audio" else row.video_fake
    if fake < 0:
        fake = row.label
    own = {"audio_fake": fake, "video_fake": -1} if head == "audio" else {"audio_fake": -1, "video_fake": fake}
    return replace(row, label=fake, **own)


def _voice(path: Path) -> dict[str, float]:
    """Return the mean logit over seeds of each recording without a face."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            table = [row for row in csv.DictReader(stream) if row["face"] == "0"]
        return {row["path"]: _mean(float(row[key]) for key in row if key.startswith("logit_")) for row in table}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no left_out.csv of fit_audio_head.py ({error!r})") from error


def _picture(folder: Path) -> dict[str, float]:
    """Return the large judge's logit of each still, on the scale of the mixture that the run has settled."""
    try:
        said = json.loads((folder / "left_out.json").read_text(encoding="utf-8"))["rows"]
        settled: Mapping[str, list[float]] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[
            "settled"
        ]
        (small, large), (wide, narrow) = settled["centre"], settled["spread"]
        return {row["path"]: small + wide * (row["large"] - large) / narrow for row in said if row["still"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder} is no run of fit_picture.py that left groups out and is whole ({error!r})"
        ) from error


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)


if __name__ == "__main__":
    raise SystemExit(main())
