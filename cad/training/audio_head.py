# SPDX-License-Identifier: Apache-2.0
"""``fit_audio_head`` fits the audio head on the frozen speech encoder, and measures it on sources left out.

The encoder does not learn, so a window needs its tokens once instead of once an epoch (``voice_windows``), and the head
sees their statistics many times (``voice_fit``).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from cad.data.manifest import Row
from cad.errors import DataError, OptionError
from cad.metrics.roc import auc_of
from cad.models import CadModel, create_model
from cad.models.checkpoint import save_checkpoint
from cad.models.heads import AudioHead
from cad.training.data import CadData
from cad.training.start import WEIGHTS_NAME, StartFrom, load_parts
from cad.training.voice_fit import FitOptions, fit_head
from cad.training.voice_windows import VoiceWindows, settle_tokens, voice_windows
from cad.whole_files import written_beside

_log = logging.getLogger(__name__)

#: What ``start_from`` gives: everything but the head, and what only losses use.
KEPT_PARTS = (
    "face_encoder.", "lip_encoder.", "speech_encoder.", "standardize_speech.", "align.", "video_head.", "fusion."
)  # fmt: skip


def fit_audio_head(
    data: CadData,
    out: Path,
    fit: FitOptions | None = None,
    left_out_groups: int = 0,
    threads: int = 2,
    net: str = "cad_small",
    options: dict[str, Any] | None = None,
    start_from: str | None = None,
) -> None:
    """Fit the audio head.

    The folder gets ``model.safetensors``, ``metrics.json`` and the statistics, so that a run that was stopped goes on.

    Args:
        data: Where the recordings come from.
        out: Folder of the run.
        fit: How.
        left_out_groups: Groups of sources that are left out of training in turn, to be judged by; 0 leaves none out.
        threads: Of torch.
        net: Name of the network whose head it is.
        options: Of the network, such as ``voice_change``; a configuration that takes the head has to have the same.
        start_from: Weights whose head is replaced (packaged name, folder, run or file). The file then holds the whole
            net, in which picture and synchrony are the same as before; without it, ``audio_head.*`` and
            ``standardize_speech.*`` alone.

    Raises:
        OptionError: There is no such network, or nothing to start from.
        DataError: Shards cannot be read, rows are not fit for training, or all voices are of one class.
        MissingExtraError: The package with the encoder's published weights is not installed.
    """
    how = fit or FitOptions()
    torch.set_num_threads(threads)
    torch.manual_seed(how.seed)
    out.mkdir(parents=True, exist_ok=True)
    model = create_model(net, pretrained=start_from is None, **(options or {})).eval()
    if not isinstance(model, CadModel):
        raise OptionError(f"net is {net!r}, which has no audio head to fit; take cad_small")
    if start_from is not None:
        load_parts(model, [StartFrom(start_from, list(KEPT_PARTS))])
    data.prepare_data()
    data.setup("fit")
    assert data.store is not None
    store, learnt = data.store, [row for row in data.train_rows if data.store.entry(row.path).has_audio]
    judged = [row for row in data.judged_rows if store.entry(row.path).has_audio and row.audio_fake >= 0]
    if start_from is None:
        _settle_once(model, data, learnt, out / "settled.pt", how.seed)
    known = voice_windows(model, store, learnt, out / "train", how.seed)
    if not {0.0, 1.0} <= set(known.label.tolist()):
        raise DataError("the audio head needs genuine and forged voices among the training rows (audio_fake 0 and 1)")
    held = voice_windows(model, store, judged, out / "val", how.seed)
    face = {row.path: store.entry(row.path).has_frames for row in [*learnt, *judged]}
    figures: dict[str, object] = {"windows": len(known.label), "recordings": len(learnt)}
    head = model.audio_head
    if left_out_groups:
        figures["left_out"] = auc_left_out(head, known, learnt, face, how, left_out_groups)
    _fit(head, known, learnt, face, how, range(len(learnt)))
    figures["val"] = _aucs(file_logits(head, held), judged, face)
    _log.info("%s", json.dumps(figures))
    with written_beside(out / WEIGHTS_NAME) as part:
        if start_from is not None:
            silence_residual(model)
            save_checkpoint(model, part)
        else:
            state = {name: value.contiguous() for name, value in model.state_dict().items()
                     if name.startswith(("audio_head.", "standardize_speech."))}  # fmt: skip
            save_file(state, str(part))
    (out / "metrics.json").write_text(json.dumps(figures, indent=2))


def _settle_once(model: CadModel, data: CadData, rows: Sequence[Row], kept: Path, seed: int) -> None:
    assert data.store is not None
    if kept.exists():
        model.standardize_speech.load_state_dict(torch.load(kept, weights_only=True))
    else:
        settle_tokens(model, data.store, rows, seed)
        torch.save(model.standardize_speech.state_dict(), kept)


def silence_residual(model: CadModel) -> None:
    """Take out of the fusion what was fitted to the features of another audio head: the streams' logits stay."""
    last = model.fusion.residual[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()


def _fit(
    head: AudioHead,
    known: VoiceWindows,
    rows: Sequence[Row],
    face: Mapping[str, bool],
    options: FitOptions,
    learnt: Sequence[int] | NDArray[np.intp],
) -> None:
    """Fit the head to the windows of the rows with the numbers ``learnt``."""
    used = known.of_rows(learnt)
    fit_head(head, used, [row.source for row in rows], [face[row.path] for row in rows], options)


def auc_left_out(
    head: AudioHead,
    known: VoiceWindows,
    rows: Sequence[Row],
    face: Mapping[str, bool],
    options: FitOptions,
    groups: int,
) -> dict[str, float]:
    """Return the AUC of training rows by heads that saw no row of their source, pooled over all groups.

    Args:
        head: Left as the last of them.
        known: Windows of ``rows``.
        rows: Training rows.
        face: By path, whether a face is seen.
        options: Of each fit.
        groups: How many heads are fitted.
    """
    group_of = source_groups([row.source for row in rows], groups)
    own = np.array([group_of[row.source] for row in rows])
    logits: dict[int, float] = {}
    for group in range(groups):
        _fit(head, known, rows, face, replace(options, seed=options.seed + group), np.flatnonzero(own != group))
        logits |= file_logits(head, known.of_rows(np.flatnonzero(own == group)))
        _log.info("left out: group %d of %d", group + 1, groups)
    return _aucs(logits, rows, face)


def source_groups(sources: Sequence[str], groups: int) -> dict[str, int]:
    """Return a group for every source, so that groups have about as many rows.

    Example:
        >>> source_groups(["a", "a", "a", "b", "c", "c"], 2)
        {'a': 0, 'c': 1, 'b': 1}
    """
    sizes, found = [0] * groups, {}
    for source, count in sorted(Counter(sources).items(), key=lambda item: (-item[1], item[0])):
        found[source] = sizes.index(min(sizes))
        sizes[found[source]] += count
    return found


@torch.no_grad()
def file_logits(head: AudioHead, windows: VoiceWindows) -> dict[int, float]:
    """Return the mean logit of the windows of each row."""
    if not len(windows.row):
        return {}
    standard = head.standardize(windows.clip.float(), torch.zeros(len(windows.row)))
    logits = head.logit(head.hidden(standard)).squeeze(-1).numpy()
    rows, of = np.unique(windows.row.numpy(), return_inverse=True)
    return dict(zip(rows.tolist(), (np.bincount(of, logits) / np.bincount(of)).tolist(), strict=True))


def _aucs(logits: Mapping[int, float], rows: Sequence[Row], face: Mapping[str, bool]) -> dict[str, float]:
    """Return the AUC of all rows with a logit and a known flag, of recordings of speech, and of talking faces."""
    numbers = [number for number in logits if rows[number].audio_fake >= 0]
    score = np.array([logits[number] for number in numbers])
    label = np.array([rows[number].audio_fake for number in numbers])
    is_face = np.array([face[rows[number].path] for number in numbers], dtype=bool)
    parts = {"all": np.ones_like(is_face), "speech": ~is_face, "faces": is_face}
    return {name: auc_of(score[part & (label == 1)], score[part & (label == 0)]) for name, part in parts.items()}
