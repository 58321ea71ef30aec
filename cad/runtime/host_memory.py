# SPDX-License-Identifier: Apache-2.0
"""Gives the scorer memory from which a CUDA device copies without a detour."""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)


def host_buffer(size: int, is_for_cuda: bool) -> NDArray[np.uint8]:
    """Return ``size`` bytes of memory; for CUDA, page-locked while it lives, which its copies need to be fast."""
    buffer = np.zeros(max(size, 1), np.uint8)
    if is_for_cuda and (unlock := _page_lock(buffer)):
        weakref.finalize(buffer, unlock)
    return buffer


def _page_lock(buffer: NDArray[np.uint8]) -> Callable[[], object] | None:
    """Lock an array in memory and return what undoes it; None where CUDA's runtime is not there or refuses."""
    address = ctypes.c_void_p(buffer.ctypes.data)
    for name in ("libcudart.so.13", "libcudart.so.12", "cudart64_13.dll", "cudart64_12.dll"):
        try:
            runtime = ctypes.CDLL(name)
            refused = int(runtime.cudaHostRegister(address, ctypes.c_size_t(buffer.nbytes), ctypes.c_uint(0)))
        except (OSError, AttributeError):
            continue
        if refused:
            logger.debug("%s does not lock a buffer (error %d)", name, refused)
            return None
        return lambda: runtime.cudaHostUnregister(address)
    return None
