# SPDX-License-Identifier: Apache-2.0
"""The adapters of all data sets by name, for ``datasets/prepare.py``."""

from __future__ import annotations

import difflib

from cad.data.benchmarks import (
    asvspoof,
    asvspoof5,
    avdeepfake1m,
    celebdf,
    deepfake_eval_2024,
    deepfaketimit,
    dfdc,
    dfdc_test,
    faceforensics,
    fakeavceleb,
    folders,
    idforge,
    in_the_wild,
    kodf,
    lavdf,
    mlaad,
    table,
)
from cad.data.benchmarks.adapter import Adapter
from cad.errors import OptionError

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        fakeavceleb.ADAPTER,
        idforge.ADAPTER_V1,
        idforge.ADAPTER_V2,
        lavdf.ADAPTER,
        avdeepfake1m.ADAPTER,
        avdeepfake1m.ADAPTER_PLUS_PLUS,
        dfdc.ADAPTER,
        dfdc_test.ADAPTER,
        faceforensics.ADAPTER,
        faceforensics.ADAPTER_DFD,
        celebdf.ADAPTER,
        celebdf.ADAPTER_V1,
        deepfaketimit.ADAPTER,
        kodf.ADAPTER,
        deepfake_eval_2024.ADAPTER,
        asvspoof.ADAPTER,
        asvspoof5.ADAPTER,
        in_the_wild.ADAPTER,
        mlaad.ADAPTER,
        folders.ADAPTER,
        table.ADAPTER,
    )
}

#: Sets whose authors put the same people on several sides: training and scoring tell it and go on.
SPLITS_SHARE_PEOPLE = frozenset(adapter.name for adapter in ADAPTERS.values() if adapter.splits_share_people)


def adapter(name: str) -> Adapter:
    """Return the adapter called ``name``.

    Raises:
        OptionError: There is none; the message names the nearest ones.

    Example:
        >>> adapter("lavdf").title
        'LAV-DF'
    """
    if name in ADAPTERS:
        return ADAPTERS[name]
    near = difflib.get_close_matches(name.lower(), ADAPTERS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise OptionError(f"there is no data set adapter {name!r}; {hint}known are {', '.join(sorted(ADAPTERS))}")
