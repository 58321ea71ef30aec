# SPDX-License-Identifier: Apache-2.0
"""The optimizer of the training task: which parameters learn, how fast, and which stand still."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cad.errors import OptionError
from cad.training.packaged import is_folded


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters by name, and their learning rate.

    Attributes:
        match: Pattern of parameter names (``*`` for any text), such as ``face_encoder.*``. A parameter belongs to the
            first group that matches it.
        learning_rate: At the end of the warm-up; 0 freezes.
        weight_decay: Of matrices and kernels; vectors (norms, biases) have none. None for the run's own.
    """

    match: str
    learning_rate: float
    weight_decay: float | None = None


@dataclass(frozen=True, slots=True)
class OptimizerOptions:
    """AdamW with a linear warm-up and a cosine to a share of the peak.

    Attributes:
        groups: Which parameters learn; a parameter that no group matches is an error.
        weight_decay: For groups that do not say.
        betas: Of AdamW.
        warmup_steps: Optimizer steps until the peak.
        final_share: Learning rate at the last step as a share of the peak.
    """

    groups: list[ParameterGroup]
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    warmup_steps: int = 100
    final_share: float = 0.02


def assign_groups(net: nn.Module, groups: Sequence[ParameterGroup]) -> list[tuple[ParameterGroup, list[str]]]:
    """Return each group with the names of its parameters.

    Raises:
        OptionError: A parameter has no group, or a group's pattern fits no parameter.
    """
    names: list[list[str]] = [[] for _ in groups]
    orphans: list[str] = []
    everything = [name for name, _ in net.named_parameters()]
    for name in everything:
        fitting = (own for own, group in zip(names, groups, strict=True) if fnmatch.fnmatchcase(name, group.match))
        next(fitting, orphans).append(name)
    if orphans:
        raise OptionError(
            f"no parameter group matches {', '.join(orphans[:5])} (of {len(orphans)}); end with match: '*'"
        )
    for group in groups:
        if not fnmatch.filter(everything, group.match):
            tops = ", ".join(sorted({name.split(".")[0] for name in everything}))
            raise OptionError(f"parameter group {group.match!r} matches nothing; the net's parts are: {tops}")
    return list(zip(groups, names, strict=True))


def freeze(net: nn.Module, groups: Sequence[ParameterGroup]) -> None:
    """Keep the parameters of groups without a learning rate as they are, and those that the net itself keeps.

    Frozen parts at the front of the net then need no backward pass: autograd records nothing where neither the input
    nor a parameter needs a gradient.

    Raises:
        OptionError: See ``assign_groups``.
    """
    parameters = dict(net.named_parameters())
    for group, names in assign_groups(net, groups):
        for name in names if group.learning_rate == 0 else ():
            parameters[name].requires_grad_(False)


def rest_frozen_parts(module: nn.Module) -> None:
    """Put every part whose parameters are all frozen into eval mode, so that its BatchNorm and dropout stand still.

    BatchNorms that an export had folded away rest in any case (``cad.training.packaged.is_folded``).
    """
    own = list(module.parameters())
    if (own and not any(parameter.requires_grad for parameter in own)) or is_folded(module):
        module.eval()
        return
    for child in module.children():
        rest_frozen_parts(child)


def make_optimizer(net: nn.Module, options: OptimizerOptions) -> torch.optim.AdamW:
    """Return AdamW over the parameters of the groups with a learning rate; those that the net freezes rest in it.

    Raises:
        OptionError: Nothing learns, or see ``assign_groups``.
    """
    parameters = dict(net.named_parameters())
    param_groups: list[dict[str, Any]] = []
    for group, names in assign_groups(net, options.groups):
        learning = [parameters[name] for name in names] if group.learning_rate > 0 else []
        decay = options.weight_decay if group.weight_decay is None else group.weight_decay
        for some, own_decay in (
            ([p for p in learning if p.ndim > 1], decay),
            ([p for p in learning if p.ndim < 2], 0.0),
        ):
            if some:
                param_groups.append({"params": some, "lr": group.learning_rate, "weight_decay": own_decay})
    if not any(parameter.requires_grad for group in param_groups for parameter in group["params"]):
        raise OptionError("every parameter group is frozen (learning_rate 0): nothing would be trained")
    return torch.optim.AdamW(param_groups, betas=options.betas)


def learning_rate_share(step: int, steps: int, warmup_steps: int, final_share: float) -> float:
    """Return the learning rate at ``step`` of ``steps`` as a share of the peak.

    Example:
        >>> [round(learning_rate_share(step, 10, 2, 0.1), 2) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.55, 0.1]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min((step - warmup_steps) / max(steps - warmup_steps, 1), 1.0)
    return final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress))
