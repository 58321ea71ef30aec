# SPDX-License-Identifier: Apache-2.0
"""``judge_sets`` ends a run with a table: how well its best weights tell genuine from fake in every set."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from cad.metrics.roc import auc_of, equal_error_rate, rates
from cad.metrics.score_counts import count_scores
from cad.spec import HEADS
from cad.training.scores import Scored, by_clip
from cad.training.start import WEIGHTS_NAME

if TYPE_CHECKING:
    from cad.training.data import CadData
    from cad.training.task import CadTask

TABLE_NAME = "sets.csv"
#: Synchrony has no truth in the rows of a set.
_STREAMS = HEADS[:3]


@dataclass(frozen=True, slots=True)
class SetScore:
    """How well a stream tells the classes of a set apart; figures are NaN where a class is absent.

    Attributes:
        set: Its name.
        split: Which rows.
        stream: Which logit.
        genuine: Number of genuine clips.
        fake: Number of fake clips.
        auc: Area under the ROC curve.
        eer: Equal error rate.
        accuracy: Share of right answers where a probability of 0.5 and more is called fake, uncalibrated.
    """

    set: str
    split: str
    stream: str
    genuine: int
    fake: int
    auc: float
    eer: float
    accuracy: float


def judge_sets(task: CadTask, data: CadData, folder: Path) -> list[str]:
    """Score the rows of every set with the best weights of a run, and return the table in Markdown.

    The folder gets the same as ``sets.csv``. Empty where the run judges no rows.

    Args:
        task: The run's task; its net has the best weights afterwards.
        data: The run's data.
        folder: Of the run.
    """
    loader = data.table_dataloader()
    if not len(loader):
        return []
    best = folder / "best" / WEIGHTS_NAME
    if best.is_file():
        task.net.load_state_dict(load_file(best))
    task.eval()
    windows: list[Scored] = []
    with torch.no_grad():
        for batch in loader:
            windows += task.scored_windows(batch.to(task.device), data.table_windows[len(windows) :])
    splits = {row.path: row.split for row in data.rows}
    scores = set_scores(by_clip(windows), lambda key: (data.set_of(key), splits[key]))
    with (folder / TABLE_NAME).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([field.name for field in fields(SetScore)])
        for score in scores:
            values = asdict(score).values()
            writer.writerow([_text(value, 5) if isinstance(value, float) else value for value in values])
    return table_of(scores)


def set_scores(clips: Sequence[Scored], set_of: Callable[[str], tuple[str, str]]) -> list[SetScore]:
    """Return the scores of each set and split (``set_of`` a clip's key) by stream, in the order of the clips."""
    groups: dict[tuple[str, str], list[Scored]] = {}
    for clip in clips:
        groups.setdefault(set_of(clip.key), []).append(clip)
    scores = []
    for (name, split), group in groups.items():
        for head, stream in enumerate(_STREAMS):
            known = [clip for clip in group if clip.labels[head] >= 0]
            if known:
                scores.append(_score(name, split, stream, known, head))
    return scores


def _score(name: str, split: str, stream: str, clips: Sequence[Scored], head: int) -> SetScore:
    logits = [clip.logits[head] for clip in clips]
    labels = [int(clip.labels[head]) for clip in clips]
    fake = [logit for logit, label in zip(logits, labels, strict=True) if label]
    genuine = [logit for logit, label in zip(logits, labels, strict=True) if not label]
    right = sum((logit >= 0) == bool(label) for logit, label in zip(logits, labels, strict=True))
    curve = rates(count_scores(logits, labels).count_once())
    eer = float(equal_error_rate(curve)[0]) if fake and genuine else math.nan
    return SetScore(name, split, stream, len(genuine), len(fake), auc_of(fake, genuine), eer, right / len(clips))


def table_of(scores: Sequence[SetScore]) -> list[str]:
    """Return the scores as a table in Markdown."""
    lines = [
        "| set | rows | stream | genuine | fake | AUC | EER | accuracy at 0.5 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for score in scores:
        figures = " | ".join(_text(value, 3) or "-" for value in (score.auc, score.eer, score.accuracy))
        lines.append(f"| {score.set} | {score.split} | {score.stream} | {score.genuine} | {score.fake} | {figures} |")
    return lines


def _text(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
