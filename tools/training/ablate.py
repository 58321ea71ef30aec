# SPDX-License-Identifier: Apache-2.0
"""Train the ablations of configs/ablation with several seeds and make a Markdown table of their validation figures.

    python tools/training/ablate.py --shards 'shards/*.tar' --seeds 3 --max-minutes 10 --table docs/ablation.md

Finished runs are not repeated, and a stopped run goes on from its last checkpoint. Words after ``--`` go to every run,
for example ``-- --data.batches 100``. The figures are those of the last step, not of the best one: the best would be
chosen on the very clips that it is judged on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from cad.command import run_command
from cad.evaluation.tables import markdown_table

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "ablation"
NAMES = ("full", "no_alignment", "no_distillation", "naive_concat", "video_only", "audio_only")
FIGURES = {
    "val/fused_auc": "fused AUC",
    "val/video_auc": "video AUC",
    "val/audio_auc": "audio AUC",
    "val/sync_shift_auc": "sync AUC (shifts)",
}
#: Figures of streams for which a run has no head: the logits are constant and the figures mean nothing.
ABSENT = {
    "no_alignment": {"val/sync_shift_auc"},
    "naive_concat": {"val/video_auc", "val/audio_auc", "val/sync_shift_auc"},
    "video_only": {"val/audio_auc", "val/sync_shift_auc"},
    "audio_only": {"val/video_auc", "val/sync_shift_auc"},
}


@dataclass(frozen=True, slots=True)
class Run:
    """One training: an ablation with one seed, and where it is kept."""

    name: str
    seed: int
    folder: Path

    def command(self, shards: Sequence[str], max_minutes: float | None, more: Sequence[str]) -> list[str]:
        """Return the command that starts the run or goes on with it."""
        words = [sys.executable, str(ROOT / "tools" / "train.py"), "fit", "--config", str(CONFIGS / "full.yaml")]
        if self.name != "full":
            words += ["--config", str(CONFIGS / f"{self.name}.yaml")]
        words += [f"--run.folder={self.folder}", "--run.resume=true"]
        words += [f"--seed_everything={self.seed}", f"--data.seed={self.seed}", f"--model.step_seed={self.seed}"]
        if shards:
            words.append(f"--data.shards={json.dumps(list(shards))}")
        if max_minutes is not None:
            seconds = round(max_minutes * 60)
            words.append(f"--trainer.max_time=00:{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}")
        return [*words, *more]

    def record(self) -> Mapping[str, Any] | None:
        """Return what the run left, or None while it is not finished."""
        path = self.folder / "run.json"
        if not path.exists():
            return None
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found if found["finished"] else None


def table(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the Markdown table: mean and standard deviation over the seeds, and how many steps were made."""
    lines = []
    for name, some in records.items():
        steps = sorted({int(record["step"]) for record in some})
        cells = [name, str(len(some)), " to ".join(str(step) for step in dict.fromkeys([steps[0], steps[-1]]))]
        for figure in FIGURES:
            values = [record["figures"][figure] for record in some if figure in record["figures"]]
            cells.append("" if figure in ABSENT.get(name, ()) or not values else mean_and_spread(values))
        lines.append(cells)
    return markdown_table(["run", "seeds", "steps", *FIGURES.values()], lines)


def mean_and_spread(values: Sequence[float]) -> str:
    """Return ``mean ± standard deviation``; of a single value the value.

    Example:
        >>> mean_and_spread([0.7, 0.8])
        '0.750 ± 0.071'
    """
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def document(records: Mapping[str, Sequence[Mapping[str, Any]]], command: str) -> str:
    """Return the table with what made it."""
    some = [record for group in records.values() for record in group]
    commits = ", ".join(sorted({record["commit"] or "no version control" for record in some}))
    devices = ", ".join(sorted({f"{record['device']}, {record['threads']} threads" for record in some}))
    return (
        f"# Ablations\n\nMean and standard deviation over seeds, at the last step of equal short runs, on the "
        f"validation rows.\n\n{table(records)}\n\nMade by `{command}`; commit {commits}; device {devices}.\n"
    )


def main(words: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if words is None else words)
    own, more = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", nargs="*", default=["shards/*.tar"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--max-minutes", type=float, help="end each run after so long")
    parser.add_argument("--table", type=Path, help="where the Markdown goes; standard output if not given")
    command = shlex.join(["python", "tools/training/ablate.py", *given])
    return run_command(lambda: ablate(parser.parse_args(own), more, command), "ablate")


def ablate(options: argparse.Namespace, more: Sequence[str], command: str) -> int:
    """Run what is not finished, write the table, and return 0, or 3 where a run failed."""
    runs = [Run(name, seed, options.runs / f"{name}_{seed}") for seed in range(options.seeds) for name in options.only]
    failed = [run for run in runs if run.record() is None and not trained(run, options, more)]
    found = {name: [record for run in runs if run.name == name and (record := run.record())] for name in options.only}
    found = {name: some for name, some in found.items() if some}
    if found and options.table is None:
        print(document(found, command))
    elif found:
        options.table.write_text(document(found, command), encoding="utf-8")
    return 3 if failed else 0


def trained(run: Run, options: argparse.Namespace, more: Sequence[str]) -> bool:
    """Train one run to its end and return whether that went well."""
    print(f"{run.name}, seed {run.seed}: {run.folder}", file=sys.stderr)
    done = subprocess.run(run.command(options.shards, options.max_minutes, more), check=False)
    if done.returncode != 0:
        print(f"{run.name}, seed {run.seed}: ended with code {done.returncode}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
