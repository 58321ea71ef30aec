# SPDX-License-Identifier: Apache-2.0
"""Fusion gives the network one feature and one logit from three streams, any of which may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ABSENT_LOGIT = -1e4
#: softplus(0.5413) = 1
_SCALE_OF_ONE = 0.5413


def mean_evidence(logits: Tensor, present: Tensor, scale: Tensor, bias: Tensor, sharpness: Tensor) -> Tensor:
    """Return the log of a mean, over the streams that are there, of their evidence ``exp(scale * logit + bias)``.

    The mean is the power mean of exponent ``sharpness`` (s): ``1/s * log(mean(exp(s * (scale * logit + bias))))``. At 1
    it is the plain mean of likelihood ratios, that is the likelihood ratio of *one stream is forged, each as likely*
    against *none is*: near the strongest stream's evidence, less the log of how many there are, whatever the others
    say. Towards 0 it becomes the mean of the logits, in which a genuine picture cancels a forged voice.

    How many streams there are does not raise the false positives. A likelihood ratio has the mean 1 over genuine
    files, and so has the plain mean of any number of them, whether they depend on each other or not; a power mean of an
    exponent below 1 is never above it. By Markov's inequality at most ``exp(-t)`` of the genuine files then reach a
    fused logit of ``t``, with one stream as with three, as far as each stream is calibrated. A sum of likelihood ratios
    (which a noisy-or is for small ones) and their maximum promise that only for ``t - log(streams)``.

    Args:
        logits: (batch, streams).
        present: (batch, streams) 1 where the stream exists; the logits of others are not used.
        scale: (streams,) positive.
        bias: (streams,).
        sharpness: () in (0, 1].

    Returns:
        (batch,) in logits: with one stream its evidence; far below zero where no stream exists.

    Source: Vovk and Wang, *E-values: calibration, combination and applications*, Annals of Statistics 49, 2021, for
        means of likelihood ratios.

    Example:
        >>> logits = torch.tensor([[3.0, -9.0], [3.0, 3.0], [3.0, 0.0]])
        >>> present = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
        >>> fused = mean_evidence(logits, present, torch.ones(2), torch.zeros(2), torch.tensor(1.0))
        >>> [round(value, 3) for value in fused.tolist()]
        [2.307, 3.0, 3.0]
    """
    is_there = present > 0
    evidence = torch.where(is_there, sharpness * (scale * logits + bias), _ABSENT_LOGIT)
    count = is_there.to(logits.dtype).sum(-1).clamp(min=1.0)
    return (torch.logsumexp(evidence, dim=-1) - torch.log(count)) / sharpness


class Fusion(nn.Module):
    """Makes the fused logit from the streams' logits, rising with each.

    With little data a network on features fits the people it is trained on and spoils what the heads know. So there
    are three kinds:

    - ``streams``: starts as the mean of a sum and of a soft maximum of the streams' logits (with one stream: that
      stream's logit) and can only reweigh them by positive factors, besides a residual from the features that starts
      at zero. In the sum a genuine picture cancels a forged voice.
    - ``strongest``: ``mean_evidence`` of the streams' logits, each with a scale and a bias of its own, and its
      sharpness: seven numbers, which ``tools/training/fit_fusion.py`` fits to files. The features have no part in it,
      nor has a stream that ``evidence_used`` leaves out.
    - ``concat``: a plain network on the concatenated features, without the streams' logits (to compare).

    The streams' logits are detached: a clip with a forged voice must not teach the video head that its genuine face is
    fake.

    Args:
        width: Features of each representation.
        dropout: Dropout in the residual in training.
        kind: One of ``cad.models.config.FUSIONS``.
    """

    evidence_used: Tensor

    def __init__(self, width: int, dropout: float, kind: str = "streams") -> None:
        super().__init__()
        self.kind = kind
        self.absent = nn.Parameter(torch.randn(3, width) * 0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.joint = nn.Sequential(
            nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.LayerNorm(width)
        )
        if kind == "strongest":
            self.evidence_scale = nn.Parameter(torch.full((3,), _SCALE_OF_ONE))
            self.evidence_bias = nn.Parameter(torch.zeros(3))
            self.evidence_sharpness = nn.Parameter(torch.tensor(0.0))
            self.register_buffer("evidence_used", torch.ones(3))
            return
        self.residual = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, 1))
        # softplus(-0.433) = 0.5
        self.sum_weights = nn.Parameter(torch.full((3,), -0.4328))
        self.maximum_weight = nn.Parameter(torch.tensor(-0.4328))
        self.stream_bias = nn.Parameter(torch.zeros(3))
        if kind == "streams":
            last = self.residual[-1]
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            features: (batch, 3, width) video, audio, shared.
            logits: (batch, 3) video, audio, sync.
            present: (batch, 3) 1 where the stream exists; the features and logits of others are not used.

        Returns:
            The joint feature (batch, width) and the fused logit (batch,), 0 where no stream exists (that is used).
        """
        normed = torch.stack([norm(features[:, index]) for index, norm in enumerate(self.norms)], dim=1)
        chosen = torch.where(present.unsqueeze(-1) > 0, normed, self.absent)
        joint: Tensor = self.joint(chosen.flatten(1))
        if self.kind == "strongest":
            present = present * self.evidence_used
            scale, sharpness = F.softplus(self.evidence_scale), torch.sigmoid(self.evidence_sharpness)
            logit = mean_evidence(logits.detach(), present, scale, self.evidence_bias, sharpness)
        else:
            logit = self.residual(joint).squeeze(-1)
            if self.kind == "streams":
                logit = logit + self._of_streams(logits.detach(), present)
        return joint, logit * present.amax(1)

    def _of_streams(self, logits: Tensor, present: Tensor) -> Tensor:
        """Return (batch,): rises with every present stream's logit."""
        shifted = torch.where(present > 0, logits + self.stream_bias, 0.0)
        total = (F.softplus(self.sum_weights) * shifted).sum(-1)
        soft_maximum = torch.logsumexp(torch.where(present > 0, shifted, _ABSENT_LOGIT), dim=-1)
        return total + F.softplus(self.maximum_weight) * soft_maximum * present.amax(1)
