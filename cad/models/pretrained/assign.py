# SPDX-License-Identifier: Apache-2.0
"""assign gives a module its weights from a state dict, with every key accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from cad.errors import WeightsError


def assign(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy ``state`` into ``module``, and note in ``module.origin`` that it does not start at random.

    Raises:
        WeightsError: A key is missing or left over, or a shape differs; the message names them.
    """
    own = module.state_dict()
    missing = sorted(own.keys() - state.keys())
    unused = sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or unused or wrong:
        raise WeightsError(f"{origin} does not fit: missing {missing}, left over {unused}, other shape {wrong}")
    module.load_state_dict(dict(state))
    cast(Any, module).origin = origin
