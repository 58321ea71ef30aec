# SPDX-License-Identifier: Apache-2.0
"""What a command must not leave behind."""

from __future__ import annotations

import os
import time


def group_is_gone(group: int) -> bool:
    """Say whether no process of a group is left, after a moment of grace."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
