# SPDX-License-Identifier: Apache-2.0
"""Which heads and parts of a net are in use, and that none of these stays at random."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from cad.errors import OptionError
from cad.spec import HEADS
from cad.training.packaged import TRAINING_ONLY

#: Parts of a CadModel by the streams that need one of them; fusion joins several.
_STREAMS_OF_PARTS = {
    "face_encoder": {"video"},
    "large_face_encoder": {"video"},
    "video_head": {"video"},
    "lip_encoder": {"sync"},
    "align": {"sync"},
    "audio_head": {"audio"},
    "speech_encoder": {"audio", "sync"},
    "standardize_speech": {"audio", "sync"},
}


def heads_of(net: nn.Module) -> tuple[str, ...]:
    """Return the heads that a net has, some of ``cad.spec.HEADS``."""
    config = getattr(net, "config", None)
    if (streams := getattr(config, "streams", None)) is not None:
        return ("fused", *streams)
    return tuple(getattr(config, "heads", HEADS))


def require_starts(net: nn.Module, started: Collection[str]) -> None:
    """Refuse a net of which a part that is in use neither starts from weights nor learns.

    Args:
        net: Frozen as it will be trained.
        started: Names of tensors that were taken from earlier weights.

    Raises:
        OptionError: There is such a part.
    """
    with_origin = [f"{name}." if name else "" for name, part in net.named_modules() if hasattr(part, "origin")]
    at_random = [
        name
        for name, parameter in net.named_parameters()
        if not parameter.requires_grad
        and name not in started
        and not name.startswith((*with_origin, *TRAINING_ONLY))
        and _is_in_use(name.split(".")[0], heads_of(net))
    ]
    if at_random:
        parts = ", ".join(dict.fromkeys(name.split(".")[0] for name in at_random))
        raise OptionError(
            f"{parts}: stays at its random start, since it neither learns (learning_rate 0) nor begins from weights; "
            "give it a learning rate, or weights by start_from or pretrained "
            f"({len(at_random)} tensors, such as {at_random[0]})"
        )


def _is_in_use(part: str, heads: Collection[str]) -> bool:
    if part == "fusion":
        return len(heads) > 2
    return not _STREAMS_OF_PARTS.get(part, set(heads)).isdisjoint(heads)
