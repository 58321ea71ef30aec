# SPDX-License-Identifier: Apache-2.0
"""create_model gives training a network by its name; net_of gives checkpoints the network of a stored configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cad.errors import OptionError, WeightsError
from cad.models.baselines.aasist import AasistConfig, AasistL
from cad.models.baselines.clip_probe import ClipProbe, ClipProbeConfig
from cad.models.baselines.meso4 import Meso4, Meso4Config
from cad.models.baselines.xception import Xception, XceptionConfig
from cad.models.config import CadConfig, NetConfig
from cad.models.net import Net
from cad.models.network import CadModel
from cad.models.pretrained.starts import find_starts
from cad.strict_json import parse_object

#: Every network that has a name, with its options as they are by default.
MODELS: Mapping[str, NetConfig] = {
    "cad_small": CadConfig(),
    "cad_base": CadConfig(
        name="cad_base",
        large_face_encoder="clip_vit",
    ),
    "meso4": Meso4Config(),
    "xception": XceptionConfig(),
    "aasist_l": AasistConfig(),
    "clip_probe": ClipProbeConfig(),
}
_NETS: Mapping[type[NetConfig], Callable[[Any], Net]] = {
    CadConfig: CadModel,
    Meso4Config: Meso4,
    XceptionConfig: Xception,
    AasistConfig: AasistL,
    ClipProbeConfig: ClipProbe,
}


def create_model(
    name: str, *, pretrained: bool = False, starts: Mapping[str, Path] | None = None, **options: Any
) -> Net:
    """Build a network.

    Args:
        name: One of MODELS.
        pretrained: Load published starting weights into the parts that have some (for training; the rest is random).
        starts: Files or folders with these weights by name, for those that do not come from where they are looked for
            (see ``cad.models.pretrained.starts``).
        options: Fields of the network's configuration that differ from the named one.

    Raises:
        OptionError: A name, an option or a value is not accepted.
        MissingExtraError: ``pretrained`` and a package with starting weights is not installed.
        WeightsError: ``pretrained`` and they are not to be found or do not fit.
    """
    config = _named(name).replace(**options)
    if starts and not pretrained:
        raise OptionError(f"{', '.join(sorted(starts))} is named, but pretrained is off: nothing would be loaded")
    # Looked for before the network is built: what is missing is said at once.
    found = find_starts(config.starts, starts or {}) if pretrained else {}
    net = _build(config)
    if pretrained:
        net.load_pretrained(found)
    return net


def net_of(text: str) -> Net:
    """Build the network of a stored configuration (``NetConfig.to_json``), with random weights.

    Raises:
        WeightsError: The text is no configuration of a network that this package knows.
    """
    try:
        stored = parse_object(text)
        return _build(_named(str(stored["name"])).replace(**stored))
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"the checkpoint's configuration cannot be read: {error}") from error


def _named(name: str) -> NetConfig:
    if name not in MODELS:
        raise OptionError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def _build(config: NetConfig) -> Net:
    return _NETS[type(config)](config)
