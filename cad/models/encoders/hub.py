# SPDX-License-Identifier: Apache-2.0
"""from_hub gives the encoders of cad_base their weights from the model hub, where there is a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from cad.errors import WeightsNotFoundError


def from_hub(name: str, fetch: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Return what ``fetch`` gets.

    Raises:
        WeightsNotFoundError: It cannot be fetched; the message says what to do.
    """
    try:
        return fetch()
    # The hub's clients raise errors of many families (HTTP, cache, timm's and transformers' own); each means the same.
    except Exception as error:
        raise WeightsNotFoundError(
            f"{name} cannot be fetched from the model hub ({type(error).__name__}: {error}). Connect to the network, "
            "or fill the hub's cache (HF_HOME) on a machine that has one and copy it here; or use cad_small"
        ) from error
