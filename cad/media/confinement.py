# SPDX-License-Identifier: Apache-2.0
"""check_confined tells, or insists, that the decoding process can do nothing but decode."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from cad.errors import UnconfinedError

#: What may hold of the decoding process; see cad.media.sandbox.
LIMITS, LANDLOCK, SECCOMP = "limits", "landlock", "seccomp"
#: Landlock is a second wall: whatever it refuses the filter refuses too.
_NEEDED = (LIMITS, SECCOMP)
_NAMES = {LIMITS: "limits on its memory and time", SECCOMP: "system-call filter"}

_log = logging.getLogger(__name__)


def check_confined(path: str | Path, sandbox: tuple[str, ...], required: bool) -> None:
    """Do nothing where the kernel confines the decoding process; else warn, once a run, unless it is ``required``.

    Args:
        path: The file that it is to read.
        sandbox: What holds of it.
        required: Whether files may be read by such a process only.

    Raises:
        UnconfinedError: It is required, and something is missing.
    """
    missing = " and no ".join(_NAMES[one] for one in _NEEDED if one not in sandbox)
    if missing and required:
        raise UnconfinedError(path, f"is not decoded: this system gives the decoding process no {missing}")
    if missing:
        _warn(missing)


@cache
def _warn(missing: str) -> None:
    _log.warning("this system gives the decoding process no %s; --require-sandbox reads no file then", missing)
