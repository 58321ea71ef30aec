# SPDX-License-Identifier: Apache-2.0
"""Judges the fusion by sources that it was not fitted on: AUC by kind of forgery, and rates at a chosen threshold.

Sources are in groups (``source_groups``); for each, the fusion is fitted to the files of the others. Beside it stand
the model's own fused head and every stream alone, on the very same files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.metrics.bootstrap import Estimate, interval, resample
from cad.metrics.roc import auc
from cad.metrics.score_counts import Counts, Floats, count_scores, divide
from cad.metrics.source_groups import source_groups
from cad.spec import STREAMS
from cad.training.fusion_fit import fit_fusion
from cad.training.scored_streams import CONTROL_KIND, OUT_OF_STEP_KIND, ScoredStreams

#: What is judged, in the order of the table.
JUDGED = ("old", "new", *STREAMS)
#: All forged files but those that were cut out of step.
ALL = "all forged"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was measured on sources left out.

    Attributes:
        auc: By kind of forgery (and ALL) and by what is judged: AUC against the genuine files.
        gain: By kind, AUC of the new fusion less that of the old.
        called_fake: By kind, the genuine ones among them, and by what is judged: share at or above the threshold.
        files: By kind how many.
    """

    auc: Mapping[str, Mapping[str, Estimate]]
    gain: Mapping[str, Estimate]
    called_fake: Mapping[str, Mapping[str, Estimate]]
    files: Mapping[str, int]


def fused_left_out(
    files: ScoredStreams, groups: int, sharpness: float | None = None, streams: Collection[str] = STREAMS
) -> NDArray[np.float64]:
    """Return (files,) the fused logit of each file by a fusion that saw no file of its source."""
    own, fused = group_numbers(files, groups), np.empty(len(files.label))
    for group in range(groups):
        out = own == group
        if out.any():
            fused[out] = fit_fusion(files.where(~out), sharpness, streams).fuse(files.where(out))
    return fused


def group_numbers(files: ScoredStreams, groups: int) -> NDArray[np.intp]:
    """Return (files,) the group of each file's source."""
    of = source_groups(files.source.tolist(), groups)
    return np.array([of[source] for source in files.source.tolist()])


def judge_left_out(
    files: ScoredStreams, groups: int, max_fpr: float = 0.03, resamples: int = 1000, seed: int = 0,
    sharpness: float | None = None, streams: Collection[str] = STREAMS,
) -> LeftOut:  # fmt: skip
    """Return figures of the files that the model's own fused head and all streams have judged.

    A threshold is chosen for each group on the genuine files of the others, so that at most ``max_fpr`` of these reach
    it; for the new fusion under the numbers that were fitted to the others.

    Args:
        files: What is fitted on and judged; those that lack a stream are fitted on alone.
        groups: Of sources.
        max_fpr: Of genuine files, in [0, 1].
        resamples: Of the bootstrap over identities.
        seed: Of the bootstrap.
        sharpness: See ``fit_fusion``.
        streams: Likewise.
    """
    whole = files.present.all(1) & ~np.isnan(files.fused)
    judged, own = files.where(whole), group_numbers(files, groups)
    genuine = (judged.label == 0) & (judged.kind != CONTROL_KIND)
    scores = {"old": judged.fused, "new": fused_left_out(files, groups, sharpness, streams)[whole]}
    scores |= {stream: judged.logits[:, index] for index, stream in enumerate(STREAMS)}
    called = {name: np.zeros(len(judged.label), dtype=bool) for name in JUDGED}
    for group in range(groups):
        out = own[whole] == group
        if not out.any():
            continue
        fused = fit_fusion(files.where(own != group), sharpness, streams).fuse(judged)
        for name, score in (scores | {"new": fused}).items():
            real = np.sort(score[~out & genuine])
            called[name][out] = score[out] > _highest_allowed(real, max_fpr)
    forged = {str(kind): judged.kind == kind for kind in np.unique(judged.kind[judged.label == 1])}
    uncut = (judged.label == 1) & (judged.kind != OUT_OF_STEP_KIND)
    forged |= {ALL: uncut} if len(forged) > 1 else {}
    areas, gains = {}, {}
    for kind, mask in forged.items():
        # A clip that was cut is judged beside those cut alike.
        beside = judged.kind == CONTROL_KIND if kind == OUT_OF_STEP_KIND else genuine
        areas[kind], gains[kind] = _areas(scores, judged, mask | beside, resamples, seed)
    rated = forged | {str(kind): judged.kind == kind for kind in np.unique(judged.kind[judged.label == 0])}
    return LeftOut(
        auc=areas,
        gain=gains,
        called_fake={
            kind: {name: _share(called[name][mask], judged.identity[mask], resamples, seed) for name in JUDGED}
            for kind, mask in rated.items()
        },
        files={kind: int(mask.sum()) for kind, mask in rated.items()},
    )


def table_of(found: LeftOut) -> str:
    """Return the figures as the tables of docs/experiments.md."""
    head = (
        "| | files | old fused | new fused | video | audio | sync | new less old |\n|---|---|---|---|---|---|---|---|\n"
    )
    lines = [
        f"| {kind} | {found.files[kind]} | {_cells(of)} | {found.gain[kind].text()} |" for kind, of in found.auc.items()
    ]
    rates = "| called fake | files | old fused | new fused | video | audio | sync |\n|---|---|---|---|---|---|---|\n"
    rated = [f"| {kind} | {found.files[kind]} | {_cells(of)} |" for kind, of in found.called_fake.items()]
    return head + "\n".join(lines) + "\n\n" + rates + "\n".join(rated) + "\n"


def _cells(of: Mapping[str, Estimate]) -> str:
    return " | ".join(of[name].text() for name in JUDGED)


def _areas(
    scores: Mapping[str, NDArray[np.float64]], files: ScoredStreams, mask: NDArray[np.bool_], resamples: int, seed: int
) -> tuple[dict[str, Estimate], Estimate]:
    """Return AUC by what is judged, and the gain; the same identities are drawn for all."""
    values, drawn = {}, {}
    for name, score in scores.items():
        counted = count_scores(score[mask], files.label[mask], files.identity[mask])
        values[name] = float(auc(counted.count_once())[0])
        drawn[name] = resample(counted, _auc_alone, resamples, seed)["auc"]
    areas = {name: Estimate(values[name], *interval(drawn[name])) for name in scores}
    return areas, Estimate(values["new"] - values["old"], *interval(drawn["new"] - drawn["old"]))


def _auc_alone(counts: Counts) -> dict[str, Floats]:
    return {"auc": auc(counts)}


def _share(called: NDArray[np.bool_], identity: NDArray[np.int64], resamples: int, seed: int) -> Estimate:
    """Return the share of files that are called fake."""
    counted = count_scores(called.astype(np.float64), np.zeros(len(called), dtype=np.int8), identity)
    return Estimate(float(called.mean()), *interval(resample(counted, _share_of_ones, resamples, seed)["share"]))


def _share_of_ones(counts: Counts) -> dict[str, Floats]:
    return {"share": divide(counts.real[counts.values > 0.5].sum(axis=0), counts.real.sum(axis=0))}


def _highest_allowed(ordered: NDArray[np.float64], share: float) -> float:
    """Return the value above which at most ``share`` of the ``ordered`` ones lie."""
    return float(ordered[len(ordered) - int(share * len(ordered) + 1e-9) - 1])
