# SPDX-License-Identifier: Apache-2.0
"""``fit_audio_head`` fits the audio head on the frozen speech encoder, and measures it on sources left out.

The encoder does not learn, so a window needs its tokens once instead of once an epoch (``voice_windows``), and the head
sees their statistics many times (``voice_fit``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from cad.data.manifest import Row
from cad.errors import DataError, OptionError
from cad.metrics.source_groups import source_groups
from cad.models import CadModel, create_model
from cad.models.checkpoint import save_checkpoint
from cad.models.heads import AudioHead
from cad.training.data import CadData
from cad.training.start import WEIGHTS_NAME, StartFrom, load_parts
from cad.training.voice_cuts import CutOptions
from cad.training.voice_figures import figures_by_seed, write_scores
from cad.training.voice_fit import FitOptions, fit_head
from cad.training.voice_windows import CopyOptions, VoiceWindows, made_windows, settle_tokens, voice_windows
from cad.training.whole_files import written_beside

_log = logging.getLogger(__name__)

#: What ``start_from`` gives: everything but the head, and what only losses use.
KEPT_PARTS = (
    "face_encoder.", "lip_encoder.", "speech_encoder.", "standardize_speech.", "align.", "video_head.", "fusion."
)  # fmt: skip
#: How the method of a copy-synthesis begins.
COPIED = "copy:"
#: Share of genuine recordings that may be called forged where made sounds are judged.
MADE_AT = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """What one fit and its judgement need besides the head.

    Attributes:
        rows: Training rows.
        face: By path, whether a face is seen.
        known: Their windows, as they are.
        copies: Windows of degraded copies of some of them, which are learnt and never judged; None without any.
        made: Windows of made sounds without speech; None without any.
        made_kinds: By row of ``made``, the kind of sound.
    """

    rows: Sequence[Row]
    face: Mapping[str, bool]
    known: VoiceWindows
    copies: VoiceWindows | None = None
    made: VoiceWindows | None = None
    made_kinds: Sequence[str] = ()


def fit_audio_head(
    data: CadData,
    out: Path,
    fit: FitOptions | None = None,
    left_out_groups: int = 0,
    threads: int = 2,
    net: str = "cad_small",
    options: dict[str, Any] | None = None,
    start_from: str | None = None,
    cut: CutOptions | None = None,
    copies: CopyOptions | None = None,
    seeds: int = 1,
    statistics: Path | None = None,
) -> None:
    """Fit the audio head.

    The folder gets ``model.safetensors``, ``metrics.json``, with groups left out also ``left_out.csv`` (the logits of
    each recording by heads that did not see its source), and the statistics, so that a run that was stopped goes on.

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
        cut: How recordings become windows; as the product does if None.
        copies: Recordings that are learnt once more, degraded; none if None.
        seeds: Fits are judged with so many seeds, ``fit.seed`` and those after it; the first one's head is kept.
        statistics: Folder in which statistics are kept, for several runs with the same windows; ``out`` if None.

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
    kept, how_cut = statistics or out, cut or CutOptions()
    kept.mkdir(parents=True, exist_ok=True)
    if start_from is None:
        _settle_once(model, data, learnt, kept / "settled.pt", how.seed, how_cut)
    held = voice_windows(model, store, judged, kept / "val", how.seed, how_cut)
    given = Recordings(
        learnt,
        {row.path: store.entry(row.path).has_frames for row in [*learnt, *judged]},
        voice_windows(model, store, learnt, kept / "train", how.seed, how_cut),
    )
    if not {0.0, 1.0} <= set(given.known.label.tolist()):
        raise DataError("the audio head needs genuine and forged voices among the training rows (audio_fake 0 and 1)")
    if copies is not None and copies.share:
        found = voice_windows(model, store, learnt, kept / f"copies_{copies.share:g}", how.seed, how_cut, copies)
        given = replace(given, copies=found)
    if how.made_share or left_out_groups:
        made, kinds = made_windows(model, how_cut, how.seed)
        given = replace(given, made=made, made_kinds=kinds)
    figures: dict[str, object] = {"windows": len(given.known.label), "recordings": len(learnt)}
    head = model.audio_head
    runs = [replace(how, seed=how.seed + number * (left_out_groups + 1)) for number in range(seeds)]
    if left_out_groups:
        logits, called = zip(*(left_out(head, given, run, left_out_groups) for run in runs), strict=True)
        figures["left_out"] = figures_by_seed(logits, learnt, given.face)
        figures["made_called_forged"] = {kind: mean(one[kind] for one in called) for kind in sorted(called[0])}
        write_scores(out / "left_out.csv", logits, learnt, given.face)
    on_val = []
    for run in reversed(runs):  # so that the first seed's head is the one that stays
        _fit(head, given, run, range(len(learnt)))
        on_val.append(file_logits(head, held))
    figures["val"] = figures_by_seed(on_val[::-1], judged, given.face)
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


def _settle_once(model: CadModel, data: CadData, rows: Sequence[Row], kept: Path, seed: int, cut: CutOptions) -> None:
    assert data.store is not None
    if kept.exists():
        model.standardize_speech.load_state_dict(torch.load(kept, weights_only=True))
    else:
        settle_tokens(model, data.store, rows, seed, cut)
        torch.save(model.standardize_speech.state_dict(), kept)


def silence_residual(model: CadModel) -> None:
    """Take out of the fusion what was fitted to the features of another audio head: the streams' logits stay."""
    if model.fusion.kind == "strongest":  # which rests on the logits as it is
        return
    last = model.fusion.residual[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()


def _fit(
    head: AudioHead,
    given: Recordings,
    options: FitOptions,
    learnt: Sequence[int] | NDArray[np.intp],
    made: VoiceWindows | None = None,
) -> None:
    """Fit the head to the windows of the rows with the numbers ``learnt``, and to all made sounds or these."""
    used = given.known.of_rows(learnt)
    if given.copies is not None:
        used = VoiceWindows.joined([used, given.copies.of_rows(learnt)])
    sources, faces = [row.source for row in given.rows], [given.face[row.path] for row in given.rows]
    copied = [row.method.startswith(COPIED) for row in given.rows]
    fit_head(head, used, sources, faces, options, given.made if made is None else made, copied)


def left_out(
    head: AudioHead, given: Recordings, options: FitOptions, groups: int
) -> tuple[dict[int, float], dict[str, float]]:
    """Return the logits of training rows by heads that saw no row of their source.

    Args:
        head: Left as the last of them.
        given: What is learnt and judged.
        options: Of each fit.
        groups: How many heads are fitted.

    Returns:
        The logits by row, and by kind of made sound, with the mean in ``all``, the share that is called forged by heads
        that heard no sound of that kind, at the threshold that MADE_AT of the genuine recordings without a face pass.
    """
    group_of = source_groups([row.source for row in given.rows], groups)
    own = np.array([group_of[row.source] for row in given.rows])
    # Copies of recordings are learnt, not judged.
    judged = np.array([not row.method.startswith(COPIED) for row in given.rows])
    # Every head hears half of the kinds, the next one the other half.
    kinds = sorted(set(given.made_kinds))
    half = np.array([kinds.index(kind) % 2 for kind in given.made_kinds], dtype=np.intp)
    logits: dict[int, float] = {}
    made_logits: list[tuple[str, float]] = []
    for group in range(groups):
        heard = None if given.made is None else given.made.of_rows(np.flatnonzero(half == group % 2))
        run = replace(options, seed=options.seed + group)
        _fit(head, given, run, np.flatnonzero(own != group), heard)
        logits |= file_logits(head, given.known.of_rows(np.flatnonzero((own == group) & judged)))
        if given.made is not None:
            others = file_logits(head, given.made.of_rows(np.flatnonzero(half != group % 2)))
            made_logits += [(given.made_kinds[row], logit) for row, logit in others.items()]
        _log.info("left out: group %d of %d", group + 1, groups)
    genuine = [logit for row, logit in logits.items()
               if given.rows[row].audio_fake == 0 and not given.face[given.rows[row].path]]  # fmt: skip
    return logits, called_forged(made_logits, genuine)


def called_forged(made: Sequence[tuple[str, float]], genuine: Sequence[float]) -> dict[str, float]:
    """Return the share above the threshold that MADE_AT of the genuine logits pass, by kind, and their mean in ``all``.

    Example:
        >>> called_forged([("chord", 2.0), ("wind", -2.0)], [0.0, 1.0])
        {'chord': 1.0, 'wind': 0.0, 'all': 0.5}
    """
    if not made or not genuine:
        return {}
    threshold = float(np.quantile(genuine, 1 - MADE_AT))
    by: dict[str, list[bool]] = {}
    for kind, logit in made:
        by.setdefault(kind, []).append(logit > threshold)
    shares = {kind: sum(found) / len(found) for kind, found in by.items()}
    return shares | {"all": mean(shares.values())}


@torch.no_grad()
def file_logits(head: AudioHead, windows: VoiceWindows) -> dict[int, float]:
    """Return the mean logit of the windows of each row."""
    if not len(windows.row):
        return {}
    standard = head.standardize(windows.clip.float(), torch.zeros(len(windows.row)))
    logits = head.logit(head.hidden(standard)).squeeze(-1).numpy()
    rows, of = np.unique(windows.row.numpy(), return_inverse=True)
    return dict(zip(rows.tolist(), (np.bincount(of, logits) / np.bincount(of)).tolist(), strict=True))
