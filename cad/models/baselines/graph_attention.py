# SPDX-License-Identifier: Apache-2.0
"""Graph layers of AASIST: attention over nodes of one or two kinds, and pooling that keeps the best of them.

Which nodes are there is a presence (batch, nodes) with 1 and 0, since a window may have gaps and its length is free;
nodes that pooling drops become absent. Where all are present this is the paper's arithmetic. Nodes are (batch, width,
nodes), and a layer on each is a convolution of length 1: the exporter cannot fold a free number of nodes into a batch.

Source: Jung et al., AASIST, ICASSP 2022, arXiv 2110.01200, sections 2 and 3; the layers of one kind are those of
RawGAT-ST, arXiv 2107.12710.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.models.masks import masked_softmax

_INPUT_DROPOUT, _POOL_DROPOUT = 0.2, 0.3


class GraphAttention(nn.Module):
    """Each node gathers from all others, weighted by what the product of the two says.

    Args:
        before: Features of a node that comes in.
        after: Features of a node that goes out.
        temperature: Divisor of the attention's logits.
        kinds: Kinds of pairs that have attention weights of their own: 1, or 3 for nodes of two kinds.
    """

    def __init__(self, before: int, after: int, temperature: float, kinds: int = 1) -> None:
        super().__init__()
        self.temperature = temperature
        self.drop = nn.Dropout(_INPUT_DROPOUT)
        self.pair = nn.Conv2d(before, after, 1)
        self.pair_logit = nn.Conv2d(after, kinds, 1, bias=False)
        self.gathered = nn.Conv1d(before, after, 1)
        self.own = nn.Conv1d(before, after, 1)
        self.norm = PresentNorm(after)

    def forward(self, nodes: Tensor, present: Tensor) -> Tensor:
        """Map (batch, before, nodes) to (batch, after, nodes)."""
        return self.attend(self.drop(nodes), present, None)

    def attend(self, nodes: Tensor, present: Tensor, kind: Tensor | None) -> Tensor:
        """Gather; ``kind`` (kinds, nodes, nodes) says of which kind each pair is, as 1 among 0."""
        logits = self.pair_logit(torch.tanh(self.pair(nodes.unsqueeze(3) * nodes.unsqueeze(2))))
        logits = (logits if kind is None else logits * kind).sum(1) / self.temperature
        weights = masked_softmax(logits, present.unsqueeze(1))
        mixed = self.gathered(torch.matmul(nodes, weights.transpose(1, 2))) + self.own(nodes)
        normed: Tensor = self.norm(mixed, present)
        return F.selu(normed) * present.unsqueeze(1)


class HeterogeneousAttention(nn.Module):
    """Attention over the nodes of time and of spectrum at once, and a master node that gathers from all.

    Args:
        before: Features of a node that comes in.
        after: Features of a node that goes out.
        temperature: Divisor of the attention's logits.
    """

    def __init__(self, before: int, after: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.time_in = nn.Conv1d(before, before, 1)
        self.spectrum_in = nn.Conv1d(before, before, 1)
        self.nodes = GraphAttention(before, after, temperature, kinds=3)
        self.master_pair = nn.Conv1d(before, after, 1)
        self.master_logit = nn.Conv1d(after, 1, 1, bias=False)
        self.master_gathered = nn.Conv1d(before, after, 1)
        self.master_own = nn.Conv1d(before, after, 1)

    def forward(
        self, time: Tensor, spectrum: Tensor, master: Tensor, time_present: Tensor, spectrum_present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend.

        Args:
            time: (batch, before, time nodes).
            spectrum: (batch, before, spectrum nodes).
            master: (batch, before, 1).
            time_present: (batch, time nodes).
            spectrum_present: (batch, spectrum nodes).

        Returns:
            The three with ``after`` features.
        """
        steps = time.shape[2]
        nodes = self.nodes.drop(torch.cat([self.time_in(time), self.spectrum_in(spectrum)], dim=2))
        present = torch.cat([time_present, spectrum_present], dim=1)
        is_spectrum = torch.cat([torch.zeros_like(time_present[0]), torch.ones_like(spectrum_present[0])])
        both = is_spectrum.unsqueeze(0) + is_spectrum.unsqueeze(1)
        kind = torch.stack([(both == number).to(nodes.dtype) for number in range(3)])
        logits = self.master_logit(torch.tanh(self.master_pair(nodes * master))).squeeze(1) / self.temperature
        summary = (nodes * masked_softmax(logits, present).unsqueeze(1)).sum(2, keepdim=True)
        master = self.master_gathered(summary) + self.master_own(master)
        mixed = self.nodes.attend(nodes, present, kind)
        return mixed[:, :, :steps], mixed[:, :, steps:], master


class GraphPool(nn.Module):
    """Keeps the share of the nodes that score highest, each times its score; the others become absent.

    Args:
        width: Features of a node.
        share: Of the present nodes that are kept, at least one.
    """

    def __init__(self, width: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.drop = nn.Dropout(_POOL_DROPOUT)
        self.score = nn.Conv1d(width, 1, 1)

    def forward(self, nodes: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return (batch, width, nodes) and which of them are left (batch, nodes)."""
        scores = torch.sigmoid(self.score(self.drop(nodes))).squeeze(1) * present
        # 0.7 of 10 nodes is 7, whatever the rounding.
        wanted = torch.floor(present.sum(1, keepdim=True) * self.share + 1e-4).clamp(min=1.0)
        places = torch.arange(nodes.shape[2], device=nodes.device)
        is_earlier = (places.unsqueeze(0) < places.unsqueeze(1)).to(nodes.dtype)
        mine, others = scores.unsqueeze(2), scores.unsqueeze(1)
        ahead = (others > mine).to(nodes.dtype) + (others == mine).to(nodes.dtype) * is_earlier
        kept = present * ((ahead * present.unsqueeze(1)).sum(2) < wanted).to(nodes.dtype)
        return nodes * (scores * kept).unsqueeze(1), kept


class PresentNorm(nn.BatchNorm1d):
    """Batch normalisation of nodes, whose statistics come from those that are present."""

    def forward(self, nodes: Tensor, present: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise (batch, width, nodes) where present (batch, nodes); what is absent may come out as anything."""
        if self.training:
            rows = (present.reshape(-1) > 0).nonzero().squeeze(1)
            if rows.shape[0] > 1:  # one alone has no deviation
                flat = nodes.transpose(1, 2).reshape(-1, nodes.shape[1])
                normed = flat.index_copy(0, rows, super().forward(flat[rows]).to(flat.dtype))
                return normed.reshape(nodes.shape[0], -1, nodes.shape[1]).transpose(1, 2)
        return F.batch_norm(nodes, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
