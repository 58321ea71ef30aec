# SPDX-License-Identifier: Apache-2.0
"""Scores windows for the detector with the exported graph, without torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from cad.errors import SpecMismatchError
from cad.runtime.providers import Device
from cad.runtime.session import open_model
from cad.spec import HEADS, OUTPUTS, STREAMS, ModelSpec
from cad.weights import WeightsEntry, default_detector, find_entry, read_verified
from cad.windows import Window, WindowScore

#: Windows of one call: more cost memory (4 MB of crops each) and gain no speed on a CPU.
BATCH_WINDOWS = 4
#: A stream that exists for less of a window than this is not scored there.
MIN_VIDEO_SHARE = 0.5
MIN_AUDIO_SHARE = 0.2

Outputs = dict[str, NDArray[np.float32]]


class Scorer:
    """Turns windows into logits.

    Args:
        weights: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        providers: ONNX Runtime providers by name; None leaves it to ``device``.
        threads: Threads inside one operator; 0 takes every core.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
        OptionError: The device or a provider is not available.

    Attributes:
        spec: What the model expects and what its numbers mean.
        entry: Which weights these are.
        providers: What the session really runs on.
    """

    def __init__(
        self,
        weights: str | None = None,
        providers: Sequence[str] | None = None,
        threads: int = 0,
        device: Device = "auto",
    ) -> None:
        self.entry: WeightsEntry = default_detector() if weights is None else find_entry(weights)
        if self.entry.kind != "detector":
            raise SpecMismatchError(f"{self.entry.name} are {self.entry.kind} weights; a detector is needed")
        model = open_model(read_verified(self.entry), self.entry.name, device, providers, threads)
        self.spec: ModelSpec = model.spec
        self.providers: tuple[str, ...] = model.providers
        self._session = model.session

    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        """Return one score a window, in the same order."""
        return list(self.score_stream(windows))

    def score_stream(self, windows: Iterable[Window]) -> Iterator[WindowScore]:
        """Yield one score a window, in the same order, holding a few windows at a time."""
        for batch in batches(windows):
            outputs = self.run(batch)
            yield from (read_score(window, outputs, row, self.spec.heads) for row, window in enumerate(batch))

    def run(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs for windows of one length."""
        return dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), feed(batch)), strict=True))


def batches(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Yield lists of up to BATCH_WINDOWS consecutive windows of one length."""
    for _, alike in groupby(windows, key=lambda window: len(window.frames_present)):
        while batch := list(islice(alike, BATCH_WINDOWS)):
            yield batch


def feed(batch: Sequence[Window]) -> dict[str, NDArray[np.generic]]:
    """Return the graph's inputs for windows of one length; a stream that is too thin to score is left out whole."""
    return {
        "frames": np.stack([window.frames for window in batch]),
        "audio": np.stack([window.audio for window in batch]),
        "frames_present": np.stack([window.frames_present * np.float32(has_video(window)) for window in batch]),
        "audio_present": np.stack([window.audio_present * np.float32(has_audio(window)) for window in batch]),
    }


def has_video(window: Window) -> bool:
    """Say whether enough of the window has picture."""
    return bool(window.frames_present.mean() >= MIN_VIDEO_SHARE)


def has_audio(window: Window) -> bool:
    """Say whether enough of the window has speech."""
    return bool(window.audio_present.mean() >= MIN_AUDIO_SHARE)


def read_score(window: Window, outputs: Outputs, row: int, heads: Collection[str] = HEADS) -> WindowScore:
    """Return row ``row`` of the graph's outputs as the score of ``window``; NaN for a head that the model lacks."""
    says = {head: 1.0 if head in heads else np.nan for head in HEADS}
    return WindowScore(
        first_slot=window.first_slot,
        slots=len(window.frames_present),
        track_id=window.track_id,
        has_video=has_video(window),
        has_audio=has_audio(window),
        logits={head: float(outputs[f"{head}_logit"][row] * says[head]) for head in HEADS},
        frame_logits={stream: outputs[f"{stream}_frame_logits"][row] * np.float32(says[stream]) for stream in STREAMS},
        offset_seconds=float(outputs["offset_seconds"][row] * says["sync"]),
        frames_present=window.frames_present,
        audio_present=window.audio_present,
    )
