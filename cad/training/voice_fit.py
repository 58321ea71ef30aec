# SPDX-License-Identifier: Apache-2.0
"""Fits the audio head to kept statistics, drawn evenly and mixed two by two, on request ranked within sources.

What a page's recordings have in common is larger than what tells genuine from forged on it. So talking faces and
recordings have shares of their own, in both of them genuine and forged windows are drawn alike, and of these the
sources by the square root of their size. With ``ranking`` a window is besides held against one of the other class from
the same source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cad.errors import OptionError
from cad.models.heads import MEMBER_UNITS, AudioHead
from cad.training.voice_windows import VoiceWindows

#: How two windows are mixed (mixup, arXiv 1710.09412: parameter of the beta distribution), how far targets keep off 0
#: and 1, and which share of a batch are stretches around single slots.
MIXUP, SOFTENED, SLOT_SHARE = 0.5, 0.05, 0.25
#: Pairs of a genuine and a forged window of one source in a step.
PAIRS = 64


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the head is fitted.

    Attributes:
        steps: Of each member.
        rate: Highest learning rate; it falls to nothing by a cosine.
        decay: Weight decay.
        batch: Windows in a step.
        dropout: Share of statistics, and of hidden units, dropped in training.
        ranking: Weight of the loss within sources, softplus of genuine minus forged; 0 leaves it out.
        made_share: Of the draws that are made sounds without speech, as genuine ones; 0 leaves them out.
        face_share: Of the other draws that are windows of talking faces; the rest are recordings.
        most: A source counts as if it had at most so many windows of a class; 0 counts them all.
        copied_share: Of the draws of forged recordings that are copy-synthesis: genuine recordings through a vocoder,
            beside which those of whole systems would otherwise be few. 0 leaves them out.
        seed: For starts and draws.
    """

    steps: int = 500
    rate: float = 1e-3
    decay: float = 0.3
    batch: int = 256
    dropout: float = 0.3
    ranking: float = 0.0
    made_share: float = 0.0
    face_share: float = 0.5
    most: int = 0
    copied_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("made_share", "copied_share"):
            if not 0 <= getattr(self, name) < 1:
                raise OptionError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 < self.face_share < 1:
            raise OptionError(f"face_share must be in (0, 1), got {self.face_share}")
        if self.most < 0:
            raise OptionError(f"most must be at least 0, got {self.most}")


def fit_head(
    head: AudioHead,
    known: VoiceWindows,
    sources: Sequence[str],
    has_face: Sequence[bool],
    options: FitOptions,
    made: VoiceWindows | None = None,
    copied: Sequence[bool] | None = None,
) -> None:
    """Fit the head in place; its ``feature`` stays as it is.

    Args:
        head: In evaluation mode before and after.
        known: Windows of both classes, every label known.
        sources: By row, the source; windows of one source and different classes are ranked.
        has_face: By row, whether it shows a face.
        options: How.
        made: Windows of sounds without speech, all genuine, for ``made_share``.
        copied: By row, whether it is a copy-synthesis; none is if None.
    """
    source = np.array([sources[row] for row in known.row.tolist()])
    face = np.array([has_face[row] for row in known.row.tolist()])
    label = known.label.numpy()
    drawn = draw_weights(label, source, face, options.face_share, options.most)
    if copied is not None:
        is_copied = np.array([copied[row] for row in known.row.tolist()], dtype=bool)
        drawn = share_of_copied(drawn, (label == 1) & ~face, is_copied, options.copied_share)
    _settle(head, known.clip.float(), torch.from_numpy(drawn).float())
    pairs = pairs_of(label, source) if options.ranking else []
    if made is not None and options.made_share:
        # The statistics settle on speech, and no source of speech is ranked against what is none.
        known = VoiceWindows.joined([known, made])
        made_drawn = np.full(len(made.label), options.made_share / len(made.label))
        drawn = np.concatenate([drawn * (1 - options.made_share), made_drawn])
    clip = head.standardize(known.clip.float(), torch.zeros(len(drawn)))
    slot = head.standardize(known.slot.float(), torch.zeros(len(drawn)))
    hidden, outs = _fit_members(clip, slot, known, drawn, pairs, options, head.members)
    into = head.hidden[0]
    assert isinstance(into, nn.Linear)
    with torch.no_grad():
        into.weight.copy_(hidden.weight)
        into.bias.copy_(hidden.bias)
        head.logit.weight.copy_(torch.cat([out.weight for out in outs], dim=1) / head.members)
        head.logit.bias.copy_(torch.stack([out.bias for out in outs]).mean(0))


def _fit_members(
    clip: Tensor,
    slot: Tensor,
    known: VoiceWindows,
    drawn: NDArray[np.float64],
    pairs: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    options: FitOptions,
    members: int,
) -> tuple[nn.Linear, list[nn.Linear]]:
    """Return the hidden units of all members, side by side, and each one's logit.

    Members see the same batches, through the same dropped statistics: most of the time goes into making these. Their
    starts and what is dropped of their hidden units differ.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    hidden = nn.Linear(clip.shape[1], members * MEMBER_UNITS)
    outs = nn.ModuleList(nn.Linear(MEMBER_UNITS, 1) for _ in range(members))

    def logits(seen: Tensor) -> Tensor:
        kept = F.dropout(F.gelu(hidden(F.dropout(seen, options.dropout))), options.dropout)
        each = torch.chunk(kept, members, dim=1)
        return torch.cat([out(own) for out, own in zip(outs, each, strict=True)], dim=1)

    optimizer = torch.optim.AdamW([*hidden.parameters(), *outs.parameters()], options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    slots = round(SLOT_SHARE * options.batch)
    # A slot that lies in no forged stretch of its forged window, or whose label is unknown, is drawn by its own label.
    usable = np.flatnonzero((known.slot_label >= 0).numpy())
    for _ in range(options.steps):
        of_clip = rng.choice(len(drawn), options.batch - slots, p=drawn)
        of_slot = usable[rng.choice(len(usable), slots, p=drawn[usable] / drawn[usable].sum())]
        seen = torch.cat([clip[of_clip], slot[of_slot]])
        wanted = torch.cat([known.label[of_clip], known.slot_label[of_slot]])
        share = torch.from_numpy(rng.beta(MIXUP, MIXUP, len(seen))).float()
        other = torch.from_numpy(rng.permutation(len(seen)))
        mixed = share[:, None] * seen + (1 - share[:, None]) * seen[other]
        target = SOFTENED + (1 - 2 * SOFTENED) * (share * wanted + (1 - share) * wanted[other])
        found = logits(mixed)
        # The sum over members of each one's mean: none learns faster for having others beside it.
        loss = members * F.binary_cross_entropy_with_logits(found, target[:, None].expand_as(found))
        if pairs:
            real, fake = _draw_pairs(pairs, rng)
            loss = loss + members * options.ranking * F.softplus(logits(clip[real]) - logits(clip[fake])).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return hidden, [out for out in outs if isinstance(out, nn.Linear)]


def draw_weights(
    label: NDArray[np.float32],
    source: NDArray[np.str_],
    has_face: NDArray[np.bool_],
    face_share: float = 0.5,
    most: int = 0,
) -> NDArray[np.float64]:
    """Return how likely each window is drawn, float64 (windows,), in all one.

    Faces have ``face_share`` of the draws and recordings the rest; in both of them each class is as likely, and in
    these a source by the square root of its windows, but as if it had ``most`` at most, if that is not 0. A domain
    without one of the classes gives all to the other.

    Example:
        >>> one_face = np.array([True, False, False, False])
        >>> draw_weights(np.array([1, 1, 0, 0], np.float32), np.array(["a", "b", "c", "c"]), one_face).tolist()
        [0.5, 0.25, 0.125, 0.125]
    """
    weights = np.zeros(len(label))
    for face in (False, True):
        for fake in (0, 1):
            group = np.flatnonzero((has_face == face) & (label == fake))
            if len(group):
                _, of, counts = np.unique(source[group], return_inverse=True, return_counts=True)
                own = (np.minimum(counts, most or len(group)) ** 0.5 / counts)[of]
                weights[group] = own / own.sum()
        domain = has_face == face
        weights[domain] *= (face_share if face else 1 - face_share) / max(weights[domain].sum(), 1e-12)
    return np.asarray(weights / weights.sum())


def share_of_copied(
    weights: NDArray[np.float64], forged: NDArray[np.bool_], copied: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """Return weights by which ``copied`` windows have ``share`` of the draws of ``forged`` ones; the others stay.

    Example:
        >>> weights = np.array([0.4, 0.1, 0.5])
        >>> share_of_copied(weights, np.array([True, True, False]), np.array([True, False, False]), 0.2).tolist()
        [0.1, 0.4, 0.5]
    """
    found, own, others = weights.copy(), forged & copied, forged & ~copied
    if own.any() and others.any():
        total = weights[forged].sum()
        found[own] *= share * total / weights[own].sum()
        found[others] *= (1 - share) * total / weights[others].sum()
    return found


def pairs_of(label: NDArray[np.float32], source: NDArray[np.str_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the genuine and the forged windows of every source that has both."""
    by: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for index, (name, fake) in enumerate(zip(source.tolist(), label.tolist(), strict=True)):
        by[name, bool(fake)].append(index)
    return [
        (np.array(by[name, False]), np.array(by[name, True]))
        for name in sorted(set(source.tolist()))
        if by[name, False] and by[name, True]
    ]


def _draw_pairs(
    pairs: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    sizes = np.sqrt([min(len(real), len(fake)) for real, fake in pairs])
    chosen = [pairs[index] for index in rng.choice(len(pairs), PAIRS, p=sizes / sizes.sum())]
    return np.array([rng.choice(real) for real, _ in chosen]), np.array([rng.choice(fake) for _, fake in chosen])


@torch.no_grad()
def _settle(head: AudioHead, statistics: Tensor, weights: Tensor) -> None:
    """Give the head the mean and the mean square of the statistics as they are drawn."""
    share = weights[:, None] / weights.sum()
    head.standardize.mean.copy_((statistics * share).sum(0))
    head.standardize.square.copy_((statistics.square() * share).sum(0))
    head.standardize.settle()
