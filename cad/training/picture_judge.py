# SPDX-License-Identifier: Apache-2.0
"""``fit_picture`` makes the picture of ``cad_base`` real: its large judge is fitted, and settled beside the small one.

Everything else comes from weights that exist, so that the result is a whole net. On request the fit is done again
without each of several groups of sources, which is the figure that tells what strangers' clips will meet.
"""

from __future__ import annotations

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
from cad.models import CadModel, create_model
from cad.models.checkpoint import save_checkpoint
from cad.models.encoders.clip import ClipFace
from cad.models.pretrained.starts import find_starts
from cad.training.audio_head import source_groups
from cad.training.data import CadData
from cad.training.picture_batches import PictureBatches
from cad.training.picture_faces import FaceDraw, FaceRow, face_rows
from cad.training.picture_fit import PictureFit, Progress, fit_judge
from cad.training.picture_forging import TWIN_WEIGHTS
from cad.training.picture_scores import (
    Logits,
    aucs,
    aucs_with_intervals,
    both_judges,
    joined_logits,
    large_logits,
    settle_judges,
)
from cad.training.start import WEIGHTS_NAME, StartFrom, load_parts
from cad.training.stopping import StopRequest
from cad.training.whole_files import write_json, written_beside

_log = logging.getLogger(__name__)

#: What ``start_from`` gives, and what ``large_from`` does.
SMALL_PARTS = (
    "face_encoder.", "lip_encoder.", "speech_encoder.", "standardize_speech.", "align.", "audio_head.", "fusion.",
    "video_head.face.", "video_head.lips.", "video_head.feature_norm.",
)  # fmt: skip
LARGE_PARTS = ("large_face_encoder.", "video_head.large.")


def fit_picture(
    data: CadData,
    out: Path,
    fit: PictureFit | None = None,
    left_out_groups: int = 0,
    threads: int = 2,
    net: str = "cad_base",
    options: dict[str, Any] | None = None,
    start_from: str | None = "cad_small",
    large_from: str | None = None,
    clip: Path | None = None,
    pretrained: bool = True,
) -> None:
    """Fit the large judge of the picture.

    The folder gets ``model.safetensors``, the whole net, ``metrics.json``, and ``last.pt``, from which the same command
    goes on after it was stopped.

    Args:
        data: Where the clips are; their sound is not used.
        out: Folder of the run.
        fit: How.
        left_out_groups: Groups of sources that are left out of training in turn, to be judged by, each a fit of its
            own; 0 leaves none out.
        threads: Of torch.
        net: Name of the network.
        options: Of the network, such as ``voice_change``; they have to be those of ``start_from``.
        start_from: Weights that all other parts come from (packaged name, folder, run or file); None for published
            starts, where ``pretrained``.
        large_from: An earlier run of this tool whose encoder and judge are gone on with; None begins from CLIP.
        clip: CLIP's vision tower, as a file or folder; None for its package or the model hub's cache.
        pretrained: Begin from published weights; without them the transformer stays as random as it is.

    Raises:
        OptionError: The network has no large judge, an option is not accepted, or there is nothing to start from.
        DataError: Shards cannot be read, rows are not fit for training, or no face is genuine.
        WeightsError: CLIP's weights are not to be found or do not fit.
        MissingExtraError: A package with published weights is not installed.
        SystemExit: It was stopped, and saved (130, 143).
    """
    how = fit or PictureFit()
    torch.set_num_threads(threads)
    torch.manual_seed(how.seed)
    model, encoder = _net(net, options, start_from, large_from, clip, pretrained)
    store, learnt, judged = _rows(data)
    judge = model.video_head.large
    assert judge is not None
    start = _learning(model)
    _log.info("%d rows to learn from, %d of them forged, %d stills; %d to be judged by", len(learnt),
              sum(row.is_fake for row in learnt), sum(row.is_still for row in learnt), len(judged))  # fmt: skip

    def logits_of(rows: Sequence[FaceRow]) -> Logits:
        return large_logits(encoder, judge, store, rows, how.val_crops)

    def run(rows: Sequence[FaceRow], folder: Path, options: PictureFit, val: Sequence[FaceRow]) -> Progress:
        weights = TWIN_WEIGHTS if options.forging is None else options.forging
        batches = PictureBatches(store, FaceDraw(rows), options.batch, options.seed, options.ranking > 0, weights)
        return fit_judge(encoder, judge, batches, options, folder, lambda: aucs(logits_of(val), val), stop)

    with StopRequest() as stop:
        stop.defer()
        progress = run(learnt, out, how, judged)
        figures = _figures(progress, how)
        # Rows that were learnt from say too little of how far logits spread, but are better than none.
        known = judged if {row.is_fake for row in judged} == {True, False} else learnt
        figures |= _settled(model, store, known, "val" if known is judged else "train")
        with written_beside(out / WEIGHTS_NAME) as part:
            save_checkpoint(model, part)
        write_json(out / "metrics.json", figures)
        if left_out_groups:
            groups = source_groups([row.row.source for row in learnt], left_out_groups)
            logits = np.full(len(learnt), np.nan)
            for group in range(left_out_groups):
                model.load_state_dict(start, strict=False)
                own = [row for row in learnt if groups.get(row.row.source) != group]
                run(own, out / f"left_out_{group + 1}", replace(how, judge_every=0), [])
                others = [number for number, row in enumerate(learnt) if groups.get(row.row.source) == group]
                logits[others] = logits_of([learnt[number] for number in others])
                _log.info("left out: group %d of %d", group + 1, left_out_groups)
            figures["left_out"] = {**aucs_with_intervals(logits, learnt), "parts": aucs(logits, learnt)}
            write_json(out / "metrics.json", figures)
        stop.release()
    _log.info("%s", json.dumps({name: value for name, value in figures.items() if name != "curve"}))


def _net(
    name: str,
    options: dict[str, Any] | None,
    start_from: str | None,
    large_from: str | None,
    clip: Path | None,
    pretrained: bool,
) -> tuple[CadModel, ClipFace]:
    """Return the net with everything that it begins from, and its large encoder."""
    starts = {} if clip is None else {"clip": clip}
    is_from_packages = pretrained and start_from is None
    model = create_model(name, pretrained=is_from_packages, starts=starts if is_from_packages else None,
                         **(options or {})).eval()  # fmt: skip
    encoder = model.large_face_encoder if isinstance(model, CadModel) else None
    if not isinstance(model, CadModel) or not isinstance(encoder, ClipFace):
        raise OptionError(f"net is {name!r}, which has no large judge of the picture to fit; take cad_base")
    if start_from is not None:
        found = find_starts({"clip": "clip"}, starts, "--") if pretrained and large_from is None else None
        own = model.state_dict()
        load_parts(model, [StartFrom(start_from, [part for part in SMALL_PARTS if _has(own, part)])])
        if found is not None:
            encoder.load_pretrained(found)
    if large_from is not None:
        load_parts(model, [StartFrom(large_from, list(LARGE_PARTS))])
    return model, encoder


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


def _learning(model: CadModel) -> dict[str, Tensor]:
    """Return a copy of what the fit changes."""
    names = {f"large_face_encoder.{name}" for name, p in model.large_face_encoder.named_parameters()
             if p.requires_grad} if model.large_face_encoder is not None else set()  # fmt: skip
    return {
        name: value.clone()
        for name, value in model.state_dict().items()
        if name in names or name.startswith("video_head.large.")
    }


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
