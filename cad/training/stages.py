# SPDX-License-Identifier: Apache-2.0
"""``run_stages`` trains ``cad_small`` from published weights: one stage after another, each resumed or skipped."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cad.errors import OptionError
from cad.training.start import WEIGHTS_NAME
from cad.training.words import with_lists

_log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]

DESCRIPTION = """\
Train cad_small from published weights, in the order of docs/training.md: lips and speech in sync, traces in the
picture, traces in the voice, and the whole net. A stopped stage goes on where it was, and a finished one is passed
over: give the same command again.

The labels that the lip encoder learns from need an environment of their own (tools/data/label_lips.py), so that it
begins from the shipped weights unless --lips names the folder of tools/training/distill_lips.py.
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: Of its folder.
        config: File in ``configs/train``.
        starts: What it begins from: a stage (or ``lips``) and the parts taken from it.
    """

    name: str
    config: str
    starts: tuple[tuple[str, tuple[str, ...]], ...] = ()


STAGES = (
    Stage("sync", "stage_sync.yaml", (("lips", ("lip_encoder.",)),)),
    Stage("video", "stage_video.yaml"),
    Stage("audio_head", "audio_head.yaml"),
    Stage(
        "whole",
        "cad_small.yaml",
        (
            ("sync", ("lip_encoder.", "align.")),
            ("video", ("face_encoder.", "video_head.")),
            ("audio_head", ("audio_head.", "standardize_speech.")),
        ),
    ),
)


def run_stages(words: Sequence[str]) -> int:
    """Run the stages that are not finished; return the status of the last one that ran, 0 if all are.

    Args:
        words: Of the command line, after ``stages``.

    Raises:
        OptionError: An option is not one that every stage has.
    """
    parser = argparse.ArgumentParser("train.py stages", description=DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--run.folder", dest="folder", type=Path, required=True, help="gets a folder a stage")
    parser.add_argument(
        "--lips", default="cad_small", help="what the lip encoder begins from (default: shipped weights)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands alone")
    parser.epilog = "Options that begin with --data. go to every stage, such as --data.manifest."
    options, more = parser.parse_known_args(with_lists(words))
    if wrong := [word for word in more if word.startswith("--") and not word.startswith("--data.")]:
        raise OptionError(f"stages: {', '.join(wrong)} is no option of every stage; run the stage by itself to set it")
    for number, stage in enumerate(STAGES, 1):
        command = command_of(stage, options.folder, options.lips, more)
        title = f"stage {number} of {len(STAGES)}: {stage.name}"
        if options.dry_run:
            sys.stdout.write(shlex.join(command) + "\n")
        elif is_finished(options.folder / stage.name):
            _log.info("%s: finished before", title)
        else:
            _log.info("%s", title)
            status = subprocess.run(command, check=False).returncode
            if status:
                _log.error("%s ended with status %d; the same command goes on from there", title, status)
                return status
    return 0


def command_of(stage: Stage, folder: Path, lips: str, more: Sequence[str]) -> list[str]:
    """Return the command line of a stage.

    Args:
        stage: Which.
        folder: Of all stages.
        lips: What the lip encoder begins from.
        more: Further words, for ``CadData``.
    """
    config = str(ROOT / "configs" / "train" / stage.config)
    own = str(folder / stage.name)
    shards = [] if any(word.startswith(("--data.shard_folder", "--data.shards")) for word in more) else [
        f"--data.shard_folder={folder.parent / 'shards'}"
    ]  # fmt: skip
    if stage.name == "audio_head":
        tool = str(ROOT / "tools" / "training" / "fit_audio_head.py")
        return [sys.executable, tool, "--config", config, f"--out={own}", *shards, *more]
    places = {"lips": lips, **{one.name: str(folder / one.name) for one in STAGES}}
    starts = [{"path": places[name], "prefixes": list(prefixes)} for name, prefixes in stage.starts]
    words = [sys.executable, str(ROOT / "tools" / "train.py"), "fit", "--config", config, f"--run.folder={own}"]
    return [*words, "--run.resume=true", f"--model.start_from={json.dumps(starts)}", *shards, *more]


def is_finished(folder: Path) -> bool:
    """Return whether a stage ended by itself; the audio head, which is fitted in one go, writes its weights last."""
    record = folder / "run.json"
    if record.is_file():
        return bool(json.loads(record.read_text(encoding="utf-8"))["finished"])
    return (folder / WEIGHTS_NAME).is_file() and (folder / "metrics.json").is_file()
