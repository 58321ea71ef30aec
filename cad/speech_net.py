# SPDX-License-Identifier: Apache-2.0
"""SpeechNet tells ``cad.speech`` from block to block how likely it is that somebody speaks (ONNX Runtime on the CPU).

The net is Silero VAD, which is recurrent: it goes through a sound from its start, block by block, and keeps a state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.errors import SpecMismatchError
from cad.weights import find_entry, load_bytes
from cad.weights.session import open_session

DEFAULT_NET = "speech_silero_5"
#: What the net takes at a time, and how much of the block before it sees again.
BLOCK_SAMPLES, CONTEXT_SAMPLES = 512, 64
_STATE_SHAPE = (2, 1, 128)
_INPUTS, _OUTPUTS = {"input", "state", "sr"}, ("output", "stateN")


class SpeechNet:
    """Hears whether there is speech. One net may be used by several threads: every call has a state of its own.

    Args:
        name: Weights of kind ``speech``.

    Raises:
        WeightsError: There are no such weights, they are damaged, or not of this kind.
    """

    def __init__(self, name: str = DEFAULT_NET) -> None:
        self.name = name
        self._session = open_session(load_bytes(name), name, threads=1)
        found = {node.name for node in self._session.get_inputs()}
        if found != _INPUTS:
            raise SpecMismatchError(f"{name}: the net must take {', '.join(sorted(_INPUTS))}; this one takes {found}")

    @property
    def nets(self) -> dict[str, str]:
        """sha256 by name of this net."""
        return {self.name: find_entry(self.name).sha256}

    def probabilities(
        self, samples: NDArray[np.float32], gain: float = 1.0, check: Callable[[], None] = lambda: None
    ) -> NDArray[np.float32]:
        """Return how likely there is speech in each block of ``samples``, float32 (blocks,) in [0, 1].

        Args:
            samples: float32 (samples,) at 16 kHz; the last block is filled up with zeros.
            gain: What they are multiplied with; the net expects about the loudness of a near voice.
            check: Called for each block; what it raises comes out.

        Example:
            >>> silence = np.zeros(1600, np.float32)
            >>> (speech_net().probabilities(silence) < 0.5).tolist()
            [True, True, True, True]
        """
        heard = np.zeros(-(-len(samples) // BLOCK_SAMPLES), dtype=np.float32)
        state = np.zeros(_STATE_SHAPE, dtype=np.float32)
        block = np.zeros((1, CONTEXT_SAMPLES + BLOCK_SAMPLES), dtype=np.float32)
        rate = np.array(SAMPLE_RATE_HZ, dtype=np.int64)
        for index in range(len(heard)):
            check()
            fresh = samples[index * BLOCK_SAMPLES : (index + 1) * BLOCK_SAMPLES]
            block[0, :CONTEXT_SAMPLES] = block[0, -CONTEXT_SAMPLES:]
            block[0, CONTEXT_SAMPLES:] = 0.0
            block[0, CONTEXT_SAMPLES : CONTEXT_SAMPLES + len(fresh)] = np.float32(gain) * fresh
            said, state = self._session.run(list(_OUTPUTS), {"input": block, "state": state, "sr": rate})
            heard[index] = said[0, 0]
        return heard


@cache
def speech_net() -> SpeechNet:
    """Return the packaged net, opened once for a process.

    Raises:
        WeightsError: As SpeechNet.
    """
    return SpeechNet()
