# SPDX-License-Identifier: Apache-2.0
"""Runs the work of every script: a fault becomes one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from cad.errors import CadError


def run_command(work: Callable[[], int], name: str) -> int:
    """Do a script's work and return its exit code; ``name`` is the script's.

    Returns:
        What ``work`` returned; 2 where it ended in a CadError or an OSError, which become one line on stderr that
        begins with ``name``; 130 where it was interrupted (Ctrl-C). Any other exception is a fault of ours and passes
        through.

    Example:
        >>> run_command(lambda: 0, "nothing")
        0
    """
    try:
        return work()
    except (CadError, OSError) as error:
        sys.stderr.write(f"{name}: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        return 130
