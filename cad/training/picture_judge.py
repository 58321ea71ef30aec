# SPDX-License-Identifier: Apache-2.0
"""``fit_picture`` makes the picture of a net real: its judges are fitted, and settled beside each other.

Everything else comes from weights that exist, so that the result is a whole net. On request the fits are done again
without each of several groups of sources, which is the figure that tells what strangers' clips will meet.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cad.data.shards import ClipStore
from cad.errors import DataError, OptionError
from cad.metrics.source_groups import source_groups
from cad.models import CadModel, create_model
from cad.models.checkpoint import save_checkpoint
from cad.models.pretrained.starts import find_starts
from cad.training.audio_head import silence_residual
from cad.training.data import CadData
from cad.training.picture_batches import PictureBatches
from cad.training.picture_faces import FaceDraw, FaceRow, face_rows
from cad.training.picture_fit import PictureFit, Progress, fit_judge
from cad.training.picture_forging import TWIN_WEIGHTS
from cad.training.picture_judges import JudgeName, PictureJudge, judge_of, merge_low_rank
from cad.training.picture_pool import PairPool, PoolBatches, make_pool
from cad.training.picture_scores import (
    Logits,
    PlainCrops,
    aucs,
    aucs_with_intervals,
    both_judges,
    joined_logits,
    mean_of_standardised,
    row_logits,
    settle_judges,
)
from cad.training.start import WEIGHTS_NAME, StartFrom, load_parts
from cad.training.stopping import StopRequest
from cad.training.whole_files import write_json, written_beside

_log = logging.getLogger(__name__)

#: What ``start_from`` gives besides the judges that are fitted, and what ``large_from`` does.
OTHER_PARTS = (
    "lip_encoder.", "speech_encoder.", "standardize_speech.", "align.", "audio_head.", "fusion.", "video_head.lips.",
    "video_head.feature_norm.",
)  # fmt: skip
SMALL_PARTS = ("face_encoder.", "video_head.face.")
LARGE_PARTS = ("large_face_encoder.", "video_head.large.")


def fit_picture(
    data: CadData,
    out: Path,
    fit: PictureFit | None = None,
    judges: tuple[JudgeName, ...] = ("large",),
    left_out_groups: int = 0,
    threads: int = 2,
    net: str = "cad_base",
    options: dict[str, Any] | None = None,
    start_from: str | None = "cad_small",
    large_from: str | None = None,
    small_from: str | None = None,
    clip: Path | None = None,
    pretrained: bool = True,
    device: str = "auto",
    judges_alone: bool = False,
) -> None:
    """Fit judges of the picture.

    The folder gets ``model.safetensors``, the whole net, ``metrics.json``, and for each judge ``last.pt``, from which
    the same command goes on after it was stopped; with groups left out also ``left_out.json``, the logits of all rows
    by nets that had not seen their sources.

    Args:
        data: Where the clips are; their sound is not used.
        out: Folder of the run.
        fit: How.
        judges: Which are fitted, one after the other. The large one begins from CLIP, the small one from ImageNet's
            EfficientNet: what has seen the sources that are left out would flatter the figures.
        left_out_groups: Groups of sources that are left out of training in turn, to be judged by, each a fit of its
            own; 0 leaves none out.
        threads: Of torch.
        net: Name of the network.
        options: Of the network, such as ``voice_change``; they have to be those of ``start_from``.
        start_from: Weights that all other parts come from (packaged name, folder, run or file); None for published
            starts, where ``pretrained``.
        large_from: An earlier run of this tool whose large encoder and judge are gone on with; None begins from CLIP.
        small_from: Likewise of the small encoder and judge; None begins from ImageNet.
        clip: CLIP's vision tower, as a file or folder; None for its package or the model hub's cache.
        pretrained: Begin from published weights; without them what is fitted stays as random as it is.
        device: Of torch, such as ``cuda``; ``auto`` takes a GPU where there is one.
        judges_alone: Fit the judges and leave it at that. The same command without it then makes the whole net of
            them, also on another machine that has the folder and the other weights.

    Raises:
        OptionError: The network lacks a judge, an option is not accepted, or there is nothing to start from.
        DataError: Shards cannot be read, rows are not fit for training, or no face is genuine.
        WeightsError: CLIP's weights are not to be found or do not fit.
        MissingExtraError: A package with published weights is not installed.
        SystemExit: It was stopped, and saved (130, 143).
    """
    how = fit or PictureFit()
    if not judges:
        raise OptionError("judges names none; there are large and small")
    torch.set_num_threads(threads)
    torch.manual_seed(how.seed)
    place = torch.device(_device(device))
    model = _net(net, options, judges, None if judges_alone else start_from, large_from, small_from, clip,
                 pretrained, judges_alone)  # fmt: skip
    fitted = {name: judge_of(model, name, how.low_rank) for name in judges}
    model.to(place)
    store, learnt, judged = _rows(data)
    start = {name: _copy(judge) for name, judge in fitted.items()}
    _log.info("%d rows to learn from, %d of them forged, %d stills; %d to be judged by", len(learnt),
              sum(row.is_fake for row in learnt), sum(row.is_still for row in learnt), len(judged))  # fmt: skip
    material = _Material(store, learnt, how, place)

    def logits_of(judge: PictureJudge, rows: Sequence[FaceRow]) -> Logits:
        return row_logits(judge, PlainCrops(store, rows, how.val_crops), len(rows), how.workers)

    def run(
        judge: PictureJudge, learnt: Sequence[FaceRow], folder: Path, out_of: frozenset[str], every: int
    ) -> Progress:
        batches = material.batches(learnt, out_of)
        val = judged if every or not out_of else []
        return fit_judge(judge, batches, replace(how, judge_every=every), folder,
                         lambda: aucs(logits_of(judge, val), val), stop)  # fmt: skip

    with StopRequest() as stop:
        stop.defer()
        figures: dict[str, Any] = {}
        for name, judge in fitted.items():
            progress = run(judge, learnt, out / name, frozenset(), how.judge_every)
            figures[name] = _figures(progress, how)
        if not judges_alone:
            figures |= _finish(model, store, learnt, judged, out)
        write_json(out / "metrics.json", figures)
        if left_out_groups:
            logits: dict[str, Logits] = {name: np.full(len(learnt), np.nan) for name in fitted}
            groups = source_groups([row.row.source for row in learnt], left_out_groups)
            for group in range(left_out_groups):
                sources = frozenset(source for source, of in groups.items() if of == group)
                others = [number for number, row in enumerate(learnt) if row.row.source in sources]
                for name, judge in fitted.items():
                    _restore(judge, start[name])
                    own = [row for row in learnt if row.row.source not in sources]
                    run(judge, own, out / name / f"left_out_{group + 1}", sources, 0)
                    logits[name][others] = logits_of(judge, [learnt[number] for number in others])
                # What is known is kept: the next fit may be stopped.
                write_json(out / "left_out.json", {"rows": _rows_said(logits, learnt, groups)})
                _log.info("left out: group %d of %d", group + 1, left_out_groups)
            figures["left_out"] = _left_out(logits, learnt)
            write_json(out / "metrics.json", figures)
        stop.release()
    _log.info("%s", json.dumps({name: value for name, value in figures.items() if name not in fitted}))


class _Material:
    """Gives fits their batches: made on the way, or drawn from one pool that is made when a fit first needs it."""

    def __init__(self, store: ClipStore, all_rows: Sequence[FaceRow], how: PictureFit, place: torch.device) -> None:
        self._store, self._all_rows, self._how, self._place = store, all_rows, how, place

    def batches(self, rows: Sequence[FaceRow], left_out: frozenset[str]) -> PictureBatches | PoolBatches:
        how = self._how
        if how.pool:
            return PoolBatches(lambda: self._pool, left_out, how.batch, how.seed)
        return self._made(rows)

    @functools.cached_property
    def _pool(self) -> PairPool:
        return make_pool(self._made(self._all_rows), self._how.pool, self._how.workers, self._place)

    def _made(self, rows: Sequence[FaceRow]) -> PictureBatches:
        how = self._how
        weights = TWIN_WEIGHTS if how.forging is None else how.forging
        return PictureBatches(self._store, FaceDraw(rows), how.batch, how.seed, how.same_source, weights)


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _copy(judge: PictureJudge) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in judge.parameters.items()}


def _restore(judge: PictureJudge, start: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in judge.parameters.items():
            value.copy_(start[name])


def _finish(
    model: CadModel, store: ClipStore, learnt: Sequence[FaceRow], judged: Sequence[FaceRow], out: Path
) -> dict[str, Any]:
    """Settle both judges beside each other, write the whole net, and return figures of it."""
    # Fits that leave groups out go on with what is not merged.
    whole = copy.deepcopy(model).cpu().eval()
    merge_low_rank(whole)
    figures: dict[str, Any] = {}
    if whole.video_head.mixture is not None:
        # Rows that were learnt from say too little of how far logits spread, but are better than none.
        known = judged if {row.is_fake for row in judged} == {True, False} else learnt
        figures = _settled(whole, store, known, "val" if known is judged else "train")
    with written_beside(out / WEIGHTS_NAME) as part:
        save_checkpoint(whole, part)
    return figures


def _left_out(logits: Mapping[str, Logits], rows: Sequence[FaceRow]) -> dict[str, Any]:
    """Return figures on left-out sources by judge, and of both where there are two."""
    said = dict(logits)
    if len(said) > 1:
        said["both"] = mean_of_standardised(list(logits.values()))
    return {name: {**aucs_with_intervals(one, rows), "parts": aucs(one, rows)} for name, one in said.items()}


def _rows_said(
    logits: Mapping[str, Logits], rows: Sequence[FaceRow], groups: Mapping[str, int]
) -> list[dict[str, Any]]:
    return [
        {
            "path": row.row.path,
            "source": row.row.source,
            "group": groups[row.row.source],
            "method": row.row.method,
            "fake": int(row.is_fake),
            "still": int(row.is_still),
            **{name: round(float(one[number]), 5) for name, one in logits.items()},
        }
        for number, row in enumerate(rows)
        if all(np.isfinite(one[number]) for one in logits.values())
    ]


def _net(
    name: str,
    options: dict[str, Any] | None,
    judges: Sequence[JudgeName],
    start_from: str | None,
    large_from: str | None,
    small_from: str | None,
    clip: Path | None,
    pretrained: bool,
    alone: bool,
) -> CadModel:
    """Return the net with everything that it begins from."""
    model = create_model(name, **(options or {})).eval()
    if not isinstance(model, CadModel):
        raise OptionError(f"net is {name!r}, whose picture has no judges to fit; take cad_base or cad_small")
    if "large" in judges and model.large_face_encoder is None:
        raise OptionError(f"net is {name!r}, which has no large judge of the picture to fit; take cad_base")
    # What is not there is said before anything large is read.
    begins_from_clip = pretrained and model.large_face_encoder is not None and large_from is None
    starts = {} if clip is None else {"clip": clip}
    found = find_starts({"clip": "clip"}, starts, "--") if begins_from_clip else {}
    if start_from is not None:
        own = model.state_dict()
        kept = () if "small" in judges else SMALL_PARTS
        load_parts(model, [StartFrom(start_from, [part for part in (*OTHER_PARTS, *kept) if _has(own, part)])])
        if "small" in judges:
            # What the fusion knows of the former judge's features says nothing of the new one's.
            silence_residual(model)
    if pretrained and small_from is None and ("small" in judges or start_from is None):
        model.face_encoder.load_pretrained({})
    if pretrained and start_from is None and not alone:
        model.speech_encoder.load_pretrained({})
    if begins_from_clip and model.large_face_encoder is not None:
        model.large_face_encoder.load_pretrained(found)
    for path, parts in ((large_from, LARGE_PARTS), (small_from, SMALL_PARTS)):
        if path is not None:
            load_parts(model, [StartFrom(path, list(parts))])
    return model


def _has(state: Mapping[str, Tensor], part: str) -> bool:
    return any(name.startswith(part) for name in state)


def _rows(data: CadData) -> tuple[ClipStore, list[FaceRow], list[FaceRow]]:
    """Return the store, and the rows with a face to learn from and to be judged by."""
    data.prepare_data()
    data.setup("fit")
    assert data.store is not None
    learnt, judged = face_rows(data.store, data.train_rows), face_rows(data.store, data.judged_rows)
    if not any(not row.is_fake for row in learnt):
        raise DataError("the picture needs training rows with a genuine face (video_fake 0); there is none")
    return data.store, learnt, judged


def _figures(progress: Progress, how: PictureFit) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "samples": progress.step * how.batch,
        "seconds": round(progress.seconds, 1),
        "samples_per_second": round(progress.step * how.batch / max(progress.seconds, 1e-9), 2),
        "precision": progress.precision,
        "curve": progress.curve,
    }


def _settled(model: CadModel, store: ClipStore, rows: Sequence[FaceRow], name: str) -> dict[str, Any]:
    """Settle the mixture on ``rows``, and return what each judge and both of them reach there."""
    said = both_judges(model, store, rows)
    settled = settle_judges(model, said, rows)
    by_judge = {"small": said.small, "large": said.large, "both": joined_logits(model, said)}
    return {
        "settled_on": name,
        "settled": settled,
        name: {judge: aucs_with_intervals(logits, rows) for judge, logits in by_judge.items()},
        f"{name}_parts": {judge: aucs(logits, rows) for judge, logits in by_judge.items()},
    }
