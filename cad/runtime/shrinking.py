# SPDX-License-Identifier: Apache-2.0
"""Shrinking makes batches smaller on a device whose memory they do not fit into."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from cad.runtime.feeding import Outputs, Runner
from cad.windows import Window

logger = logging.getLogger(__name__)

#: What ONNX Runtime, CUDA, cuDNN and cuBLAS say then; their exceptions have no type for it.
_SAYS_SO = ("failed to allocate", "out of memory", "out_of_memory", "alloc_failed", "not enough memory")


class Shrinking:
    """Runs windows in halves where they do not fit at once, and from then on never so many.

    Args:
        run: Runs windows of one length.
    """

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._most: int | None = None

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs, one row a window."""
        if self._most is not None and len(batch) > self._most:
            return self._in_halves(batch)
        try:
            return self._run(batch)
        except Exception as error:
            if len(batch) == 1 or not any(words in str(error).lower() for words in _SAYS_SO):
                raise
        self._most = (len(batch) + 1) // 2
        logger.warning("%d windows do not fit into the device's memory; from now on %d", len(batch), self._most)
        return self._in_halves(batch)

    def _in_halves(self, batch: Sequence[Window]) -> Outputs:
        half = (len(batch) + 1) // 2
        parts = [self(batch[:half]), self(batch[half:])]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
