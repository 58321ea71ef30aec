# SPDX-License-Identifier: Apache-2.0
"""``fit_audio_head`` fits the audio head on statistics of the frozen speech encoder, which are computed once.

The encoder does not learn, so a window needs its tokens once instead of once an epoch. Some thousand windows are drawn,
forged and treated as in any training run; each becomes a few thousand numbers. The head sees these many times, mixed
two by two (mixup, arXiv 1710.09412).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from cad.errors import OptionError
from cad.metrics.roc import auc_of
from cad.models import CadModel, create_model
from cad.models.masks import local_statistics, masked_statistics
from cad.training.batches import Batch
from cad.training.data import CadData
from cad.training.loader import BatchNumbers, ResumableLoader
from cad.training.start import WEIGHTS_NAME
from cad.training.whole_files import written_beside

_log = logging.getLogger(__name__)

_BATCH = 16
#: Batches behind the running mean and deviation of the tokens.
_SETTLING_BATCHES = 40
#: Slots of a window whose surroundings are kept beside the whole: the head judges slots, too.
_SLOTS_KEPT = 2
_CHUNK_BATCHES = 25


@torch.no_grad()
def statistics_of(net: CadModel, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
    """Return the head's inputs: ``clip`` (n, statistics) with its ``label``, and ``slot`` with its ``slot_label``.

    Windows without sound, and unknown labels, are left out.
    """
    heard, present, tokens = _heard_tokens(net, batch)
    per_slot = net.speech_encoder.tokens_per_slot
    around = local_statistics(tokens, present, per_slot, net.config.local_slots)
    labels = torch.where(present > 0, batch.slot_labels[heard, 1], -1.0)
    slots, slot_labels = [], []
    for row, known in enumerate(labels >= 0):
        places = known.nonzero().squeeze(1).numpy()
        for place in rng.choice(places, min(_SLOTS_KEPT, len(places)), replace=False):
            slots.append(around[row, place])
            slot_labels.append(labels[row, place])
    return {
        "clip": masked_statistics(tokens, present.repeat_interleave(per_slot, dim=1)),
        "label": batch.clip_labels[heard, 2],
        "slot": torch.stack(slots) if slots else around.new_zeros(0, around.shape[-1]),
        "slot_label": torch.stack(slot_labels) if slots else around.new_zeros(0),
    }


def _heard_tokens(net: CadModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return which windows have sound and a label, their slots with sound, and their standardised tokens."""
    heard = (batch.audio_present.amax(1) > 0) & (batch.clip_labels[:, 2] >= 0)
    present = batch.audio_present[heard]
    token_present = present.repeat_interleave(net.speech_encoder.tokens_per_slot, dim=1)
    return heard, present, net.standardize_speech(net.speech_encoder(batch.audio[heard], present), token_present)


def extract_statistics(net: CadModel, data: CadData, windows: int, folder: Path, seed: int) -> dict[str, Tensor]:
    """Return the statistics of ``windows`` training windows; those that the folder has are not computed again."""
    batches = windows // _BATCH
    settled = folder / "settled.pt"
    if settled.exists():
        net.standardize_speech.load_state_dict(torch.load(settled, weights_only=True))
    else:
        net.standardize_speech.train()
        numbers = BatchNumbers(_SETTLING_BATCHES, _BATCH)
        for batch in ResumableLoader(data.train_samples(), numbers, data.workers, False):
            statistics_of(net, batch, np.random.default_rng(seed))
        net.standardize_speech.eval()
        torch.save(net.standardize_speech.state_dict(), settled)
    parts: list[dict[str, Tensor]] = []
    for first in range(0, batches, _CHUNK_BATCHES):
        kept = folder / f"statistics_{first:05d}.pt"
        if not kept.exists():
            numbers = BatchNumbers(min(first + _CHUNK_BATCHES, batches), _BATCH)
            numbers.first = first
            rng = np.random.default_rng([seed, first])
            loader = ResumableLoader(data.train_samples(), numbers, data.workers, False)
            torch.save(_joined([statistics_of(net, batch, rng) for batch in loader]), kept)
            _log.info("%d of %d windows", min(first + _CHUNK_BATCHES, batches) * _BATCH, windows)
        parts.append(torch.load(kept, weights_only=True))
    return _joined(parts)


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def fit_head(net: CadModel, known: dict[str, Tensor], steps: int, rate: float, decay: float, batch: int) -> None:
    """Train the head in place; a quarter of each batch are stretches around single slots."""
    head = net.audio_head
    inputs, labels = known["clip"], known["label"]
    head.standardize.train()
    head.standardize(inputs, torch.ones(len(inputs)))
    head.standardize.eval()
    head.standardize.settle()
    net.standardize_speech.settle()
    parts = [*head.hidden.parameters(), *head.logit.parameters()]
    optimizer = torch.optim.AdamW(parts, rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    balance = _balanced(labels)
    slot_balance = _balanced(known["slot_label"])
    head.hidden.train()
    head.dropout.train()
    for _ in range(steps):
        drawn = torch.multinomial(balance, batch, replacement=True)
        slots = torch.multinomial(slot_balance, batch // 3, replacement=True)
        seen = torch.cat([inputs[drawn], known["slot"][slots]])
        wanted = torch.cat([labels[drawn], known["slot_label"][slots]])
        share = torch.from_numpy(np.random.default_rng(int(drawn[0])).beta(0.5, 0.5, len(seen))).float()
        other = torch.randperm(len(seen))
        standard = head.standardize(seen, torch.zeros(len(seen)))
        mixed = share[:, None] * standard + (1 - share[:, None]) * standard[other]
        target = 0.05 + 0.9 * (share * wanted + (1 - share) * wanted[other])
        loss = F.binary_cross_entropy_with_logits(head.logit(head.hidden(head.dropout(mixed))).squeeze(-1), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    net.eval()


def _balanced(labels: Tensor) -> Tensor:
    fake = labels.mean()
    return torch.where(labels > 0.5, 0.5 / fake, 0.5 / (1 - fake))


@torch.no_grad()
def evaluate_head(net: CadModel, data: CadData) -> dict[str, float]:
    """Return the AUC of the val rows with sound: all, those without a face and those with one; NaN for one class."""
    assert data.store is not None
    logits, labels, faces = [], [], []
    for batch in data.val_dataloader():
        heard, present, tokens = _heard_tokens(net, batch)
        logits.append(net.audio_head(tokens, present).clip_logit)
        labels.append(batch.clip_labels[heard, 2])
        faces += [data.store.entry(key).has_frames for key, used in zip(batch.key, heard, strict=True) if used]
    score, label, face = torch.cat(logits), torch.cat(labels), torch.tensor(faces)
    parts = {"all": torch.ones_like(face), "speech": ~face, "faces": face}
    return {
        name: auc_of(score[part & (label == 1)].numpy(), score[part & (label == 0)].numpy())
        for name, part in parts.items()
    }


def fit_audio_head(
    data: CadData,
    out: Path,
    windows: int = 6000,
    steps: int = 1200,
    rate: float = 1e-3,
    decay: float = 0.3,
    batch: int = 256,
    seed: int = 0,
    threads: int = 2,
    net: str = "cad_small",
) -> None:
    """Fit the audio head.

    The folder gets ``model.safetensors`` with the keys ``audio_head.*`` and ``standardize_speech.*``, ``metrics.json``
    and the statistics, so that a run that was stopped goes on.

    Args:
        data: Where the windows come from.
        out: Folder of the run.
        windows: Training windows.
        steps: Steps of the head.
        rate: Highest learning rate.
        decay: Weight decay.
        batch: Windows in a step.
        seed: For the head's start and the slots that are kept.
        threads: Of torch.
        net: Name of the network whose head it is.

    Raises:
        OptionError: There is no such network.
        DataError: Shards cannot be read, or rows are not fit for training.
        MissingExtraError: The package with the encoder's published weights is not installed.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    model = create_model(net, pretrained=True).eval()
    if not isinstance(model, CadModel):
        raise OptionError(f"net is {net!r}, which has no audio head to fit; take cad_small")
    data.prepare_data()
    data.setup("fit")
    known = extract_statistics(model, data, windows, out, seed)
    fit_head(model, known, steps, rate, decay, batch)
    figures = {"windows": len(known["label"]), "fake": float(known["label"].mean()), "auc": evaluate_head(model, data)}
    _log.info("%s", json.dumps(figures))
    state = {name: value.contiguous() for name, value in model.state_dict().items()
             if name.startswith(("audio_head.", "standardize_speech."))}  # fmt: skip
    with written_beside(out / WEIGHTS_NAME) as part:
        save_file(state, str(part))
    (out / "metrics.json").write_text(json.dumps(figures, indent=2))
