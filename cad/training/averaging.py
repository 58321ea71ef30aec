# SPDX-License-Identifier: Apache-2.0
"""Averages of weights: a moving one, which training validates and exports, and one over finished runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch import Tensor

from cad.errors import OptionError, WeightsError


class WeightAverage(Callback):
    """Keeps ``average = decay * average + (1 - decay) * weight`` of every trained parameter.

    Early on the decay is held at (1 + n) / (10 + n) after n steps, so that the start is forgotten quickly. Buffers
    (the statistics of BatchNorm) are averages already and are taken as they are.

    Args:
        decay: In [0, 1).

    Raises:
        OptionError: The decay lies elsewhere.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise OptionError(f"the decay of the weight average must be in [0, 1), got {decay}")
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        self._updates = 0
        self._last_step = 0
        self._set_aside: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start from the weights as they are, unless a checkpoint brought an average."""
        learning = {name: p for name, p in pl_module.named_parameters() if p.requires_grad}
        if not learning.keys() <= self._average.keys():
            self._average = {name: p.detach().clone() for name, p in learning.items()}
            self._updates = 0
        self._average = {name: value.to(pl_module.device) for name, value in self._average.items()}
        self._last_step = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Move the average after an optimizer step (not after a batch that only accumulated)."""
        if trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, parameter in pl_module.named_parameters():
            if name in self._average:
                self._average[name].lerp_(parameter.detach(), 1 - decay)

    @contextlib.contextmanager
    def in_place(self, pl_module: lightning.LightningModule) -> Iterator[None]:
        """Put the average in place of the weights for a while; nothing changes where it is in place already."""
        if self._set_aside:
            yield
            return
        self._put_in_place(pl_module)
        try:
            yield
        finally:
            self.put_back(pl_module)

    @torch.no_grad()
    def _put_in_place(self, pl_module: lightning.LightningModule) -> None:
        for name, parameter in pl_module.named_parameters():
            if name in self._average:
                self._set_aside[name] = parameter.detach().clone()
                parameter.copy_(self._average[name])

    @torch.no_grad()
    def put_back(self, pl_module: lightning.LightningModule) -> None:
        """Put the weights back in place of the average, where that is in their place."""
        for name, parameter in pl_module.named_parameters():
            if name in self._set_aside:
                parameter.copy_(self._set_aside[name])
        self._set_aside = {}

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Validate the average."""
        self._put_in_place(pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on with the weights."""
        self.put_back(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the average for a checkpoint."""
        return {"average": self._average, "updates": self._updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the average of a checkpoint."""
        self._average = dict(state_dict["average"])
        self._updates = int(state_dict["updates"])


def averaged(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of each tensor of nets that share their start; whole numbers are taken from the last net.

    Source: "Model soups", arXiv 2203.05482.

    Raises:
        WeightsError: The nets do not have the same tensors.
    """
    first = {name: value.shape for name, value in states[0].items()}
    for state in states[1:]:
        shapes = {name: value.shape for name, value in state.items()}
        differing = sorted(name for name in first.keys() | shapes.keys() if first.get(name) != shapes.get(name))
        if differing:
            raise WeightsError(f"the nets differ in {len(differing)} tensors: {', '.join(differing[:5])}")
    means = {name: torch.stack([state[name].double() for state in states]).mean(0) for name in first}
    return {
        name: means[name].to(value.dtype).contiguous() if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
