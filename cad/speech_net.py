# SPDX-License-Identifier: Apache-2.0
"""SpeechNet tells ``cad.speech`` from block to block how likely it is that somebody speaks (ONNX Runtime on the CPU).

The net is Silero VAD, which is recurrent: it goes through a sound from its start, block by block, and keeps a state.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from cad.clock import SAMPLE_RATE_HZ
from cad.errors import SpecMismatchError
from cad.weights import find_entry, read_verified
from cad.weights.session import open_session

DEFAULT_NET = "speech_silero_5"
#: What the net takes at a time, and how much of the block before it sees again.
BLOCK_SAMPLES, CONTEXT_SAMPLES = 512, 64
#: Of what it keeps from block to block.
STATE_SHAPE = (2, 1, 128)
_INPUTS, _OUTPUTS = {"input", "state", "sr"}, ("output", "stateN")


class SpeechNet:
    """Hears whether there is speech. One net may be used by several threads: every call has a state of its own.

    Args:
        name: Weights of kind ``speech``.

    Raises:
        WeightsError: There are no such weights, they are damaged, or not of this kind.
    """

    def __init__(self, name: str = DEFAULT_NET) -> None:
        self._entry = find_entry(name)
        self._session = open_session(read_verified(self._entry), name, threads=1)
        found = {node.name for node in self._session.get_inputs()}
        if found != _INPUTS:
            raise SpecMismatchError(f"{name}: the net must take {', '.join(sorted(_INPUTS))}; this one takes {found}")

    @property
    def nets(self) -> dict[str, str]:
        """sha256 by name of this net."""
        return {self._entry.name: self._entry.sha256}

    def probabilities(self, samples: NDArray[np.float32], gain: float = 1.0) -> NDArray[np.float32]:
        """Return how likely there is speech in each block of ``samples``, float32 (blocks,) in [0, 1].

        Args:
            samples: float32 (samples,) at 16 kHz; the last block is filled up with zeros.
            gain: What they are multiplied with; the net expects about the loudness of a near voice.

        Example:
            >>> silence = np.zeros(1600, np.float32)
            >>> (speech_net().probabilities(silence) < 0.5).tolist()
            [True, True, True, True]
        """
        hearing = self.hear(gain)
        return np.concatenate([hearing.push(samples), hearing.end()])

    def hear(self, gain: float = 1.0) -> Hearing:
        """Return what takes a sound piece by piece, from its start, and says the same of it."""
        return Hearing(self._session, gain)


class Hearing:
    """Goes through one sound and keeps the net's state from piece to piece.

    Args:
        session: The net.
        gain: As in SpeechNet.probabilities.
    """

    def __init__(self, session: InferenceSession, gain: float) -> None:
        self._session = session
        self._gain = np.float32(gain)
        self._state = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._block = np.zeros((1, CONTEXT_SAMPLES + BLOCK_SAMPLES), dtype=np.float32)
        self._rate = np.array(SAMPLE_RATE_HZ, dtype=np.int64)
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, float32 (samples,), and return the probabilities of the blocks that are full now."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // BLOCK_SAMPLES
        self._rest = joined[whole * BLOCK_SAMPLES :]
        blocks = np.split(joined[: whole * BLOCK_SAMPLES], whole) if whole else []
        return np.array([self._hear(block) for block in blocks], dtype=np.float32)

    def end(self) -> NDArray[np.float32]:
        """Return the probability of a last block that is not full, float32 (1,), or nothing, float32 (0,)."""
        return np.array([self._hear(self._rest)] if len(self._rest) else [], dtype=np.float32)

    def _hear(self, fresh: NDArray[np.float32]) -> float:
        block = self._block
        block[0, :CONTEXT_SAMPLES] = block[0, -CONTEXT_SAMPLES:]
        block[0, CONTEXT_SAMPLES:] = 0.0
        block[0, CONTEXT_SAMPLES : CONTEXT_SAMPLES + len(fresh)] = self._gain * fresh
        given = {"input": block, "state": self._state, "sr": self._rate}
        said, self._state = self._session.run(list(_OUTPUTS), given)
        return float(said[0, 0])


@cache
def speech_net() -> SpeechNet:
    """Return the packaged net, opened once for a process.

    Raises:
        WeightsError: As SpeechNet.
    """
    return SpeechNet()
