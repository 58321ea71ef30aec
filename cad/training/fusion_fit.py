# SPDX-License-Identifier: Apache-2.0
"""Fits the fusion ``strongest``: scale and bias of each stream, and sharpness, from logits of whole files.

Every file is shown once with all its streams and once with each smaller set of them, labelled by what is forged in
those: a genuine face under a forged voice is genuine where the sound is left out. So what each stream says becomes
evidence that can stand alone, and a set of streams is never seen with the wrong share of forgeries. Loss: cross
entropy, in which the sets of streams weigh alike, in each of them forged and genuine files, and in these the kinds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cad.errors import DataError
from cad.models.fusion import Fusion, mean_evidence
from cad.spec import STREAMS
from cad.training.scored_streams import ScoredStreams
from cad.values import ValueRecord

#: Weight of the squares of bias and of the logarithm of scale: it draws to the streams' own logits, and holds a stream
#: of which no forgery is known.
RIDGE = 1e-2
#: The same for the logit of the sharpness, which draws to one half.
SHARPNESS_RIDGE = 1e-3
ITERATIONS = 200


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FittedFusion(ValueRecord):
    """What ``mean_evidence`` takes beside the logits of video, audio and sync.

    Attributes:
        scale: float64 (3,) positive.
        bias: float64 (3,).
        sharpness: In (0, 1].
        used: bool (3,) which streams have a part.
    """

    scale: NDArray[np.float64]
    bias: NDArray[np.float64]
    sharpness: float
    used: NDArray[np.bool_] = field(default_factory=lambda: np.ones(len(STREAMS), dtype=bool))

    def fuse(self, files: ScoredStreams) -> NDArray[np.float64]:
        """Return the fused logit of each file, of the streams that it has."""
        present = torch.from_numpy((files.present & self.used).astype(np.float64))
        scale, bias = torch.from_numpy(self.scale), torch.from_numpy(self.bias)
        sharpness = torch.tensor(self.sharpness, dtype=torch.float64)
        fused = mean_evidence(torch.from_numpy(files.logits), present, scale, bias, sharpness)
        return np.asarray(fused.numpy())

    def evidence(self, files: ScoredStreams) -> NDArray[np.float64]:
        """Return (files, 3) what each stream says alone, in logits; NaN where it was not judged."""
        return np.where(files.present, files.logits * self.scale + self.bias, np.nan)

    def write_into(self, fusion: Fusion) -> None:
        """Give the numbers to a network's fusion."""
        with torch.no_grad():
            fusion.evidence_scale.copy_(torch.from_numpy(np.log(np.expm1(self.scale))))
            fusion.evidence_bias.copy_(torch.from_numpy(self.bias))
            fusion.evidence_sharpness.fill_(math.log(self.sharpness / (1 - self.sharpness)))
            fusion.evidence_used.copy_(torch.from_numpy(self.used))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Examples(ValueRecord):
    """Files, each with some of its streams.

    Attributes:
        logits: float64 (examples, 3).
        present: float64 (examples, 3) 1 where a stream is shown.
        label: float64 (examples,) 1 where something that is shown is forged.
        weight: float64 (examples,) summing to 1.
    """

    logits: NDArray[np.float64]
    present: NDArray[np.float64]
    label: NDArray[np.float64]
    weight: NDArray[np.float64]


def fit_fusion(
    files: ScoredStreams, sharpness: float | None = None, streams: Collection[str] = STREAMS
) -> FittedFusion:
    """Return the numbers under which the fused logit of every set of streams fits best.

    Args:
        files: What is fitted on.
        sharpness: In (0, 1) to hold it there; None to fit it, too.
        streams: Those that have a part.

    Raises:
        DataError: No set of streams has both genuine and forged files.
    """
    examples = with_streams_left_out(files, streams)
    logits, present, label, weight = map(
        torch.from_numpy, (examples.logits, examples.present, examples.label, examples.weight)
    )
    start = 0.0 if sharpness is None else math.log(sharpness / (1 - sharpness))
    numbers = torch.zeros(2, len(STREAMS), dtype=torch.float64, requires_grad=True)
    sharp = torch.tensor(start, dtype=torch.float64, requires_grad=sharpness is None)
    learnt = [numbers, sharp] if sharpness is None else [numbers]
    optimizer = torch.optim.LBFGS(learnt, max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        fused = mean_evidence(logits, present, numbers[0].exp(), numbers[1], torch.sigmoid(sharp))
        each = F.binary_cross_entropy_with_logits(fused, label, reduction="none")
        loss = (weight * each).sum() + RIDGE * numbers.square().sum() + SHARPNESS_RIDGE * sharp.square()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    scale, bias = numbers.detach().numpy()
    used = np.array([stream in streams for stream in STREAMS])
    return FittedFusion(np.exp(scale), bias, float(torch.sigmoid(sharp.detach())), used)


def with_streams_left_out(files: ScoredStreams, streams: Collection[str] = STREAMS) -> Examples:
    """Return every file with every set of its ``streams`` of which it is known whether anything is forged.

    Raises:
        DataError: No set of streams has both genuine and forged files.
    """
    numbers = [number for number, stream in enumerate(STREAMS) if stream in streams]
    parts = []
    for count in range(1, len(numbers) + 1):
        for chosen in itertools.combinations(numbers, count):
            part = _shown(files, chosen)
            if {0.0, 1.0} <= set(part.label.tolist()):
                parts.append(part)
    if not parts:
        raise DataError("the fit needs files that are forged and files that are genuine in one and the same stream")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Examples.__dataclass_fields__}
    return Examples(**(joined | {"weight": joined["weight"] / len(parts)}))


def _shown(files: ScoredStreams, chosen: tuple[int, ...]) -> Examples:
    """Return the files that have all the streams with the numbers ``chosen``, with these alone."""
    truth = files.truth[:, chosen]
    label = np.where((truth == 1).any(1), 1.0, np.where((truth == 0).all(1), 0.0, np.nan))
    # A fake whose flags do not say where it is forged tells of all of its streams together.
    everything = (files.present.sum(1) == len(chosen)) & (files.label == 1)
    label = np.where(everything & np.isnan(label), 1.0, label)
    usable = files.present[:, chosen].all(1) & ~np.isnan(label)
    present = np.zeros((int(usable.sum()), len(STREAMS)))
    present[:, chosen] = 1.0
    return Examples(files.logits[usable], present, label[usable], _weights(files.kind[usable], label[usable]))


def _weights(kind: NDArray[np.str_], label: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights that sum to 1: both labels alike, and in each the kinds of file."""
    weight = np.zeros(len(label))
    for value in (0.0, 1.0):
        own = kind[label == value]
        names, place, number = np.unique(own, return_inverse=True, return_counts=True)
        weight[label == value] = 0.5 / len(names) / number[place] if len(names) else 0.0
    return weight
