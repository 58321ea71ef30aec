# SPDX-License-Identifier: Apache-2.0
"""Adapted gives the whole speech encoder two behaviours on one frozen set of weights, by low-rank adapters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from cad.models.pretrained.assign import assign

#: Before the adapters, in training.
_DROPOUT = 0.1


class Adapted(nn.Module):
    """A frozen net with low-rank adapters, which can be switched off.

    Source: LoRA, arXiv 2106.09685, through peft. The rank is this project's choice.

    Args:
        net: Changed in place: its weights are frozen and the named layers wrapped.
        targets: Ends of the names of the linear layers that get an adapter.
        rank: Of the adapters.
    """

    def __init__(self, net: nn.Module, targets: tuple[str, ...], rank: int) -> None:
        super().__init__()
        net.requires_grad_(False)
        lora = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=_DROPOUT, target_modules=list(targets))
        self.net: nn.Module = inject_adapter_in_model(lora, net)

    @contextlib.contextmanager
    def passed_by(self) -> Iterator[None]:
        """Run the net as it was before adaptation, on the same weights."""
        adapters = [module for module in self.net.modules() if isinstance(module, BaseTunerLayer)]
        for adapter in adapters:
            adapter.enable_adapters(False)
        try:
            yield
        finally:
            for adapter in adapters:
                adapter.enable_adapters(True)

    def load_base(self, state: Mapping[str, Tensor], origin: str) -> None:
        """Load the frozen weights by their names without adapters; the adapters stay.

        Raises:
            WeightsError: A key is missing or left over, or a shape differs.
        """
        left = dict(state)
        full: dict[str, Any] = {}
        for key, value in self.net.state_dict().items():
            bare = key.replace(".base_layer.", ".")
            if ".lora_" in key:
                full[key] = value
            elif bare in left:
                full[key] = left.pop(bare)
        assign(self.net, {**full, **left}, origin)
