# SPDX-License-Identifier: Apache-2.0
"""Scores windows for the detector with the exported graph, without torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice

import numpy as np

from cad.errors import SpecMismatchError
from cad.runtime.feeding import (
    MIN_AUDIO_SHARE,
    MIN_VIDEO_SHARE,
    BoundRuns,
    Outputs,
    PlainRuns,
    Runner,
    feed,
    has_audio,
    has_video,
)
from cad.runtime.gathering import Gathering
from cad.runtime.providers import Device
from cad.runtime.session import OpenModel, open_model
from cad.runtime.shrinking import Shrinking
from cad.spec import HEADS, STREAMS, ModelSpec
from cad.weights import WeightsEntry, default_detector, find_entry, read_verified
from cad.windows import Window, WindowScore

__all__ = ["MIN_AUDIO_SHARE", "MIN_VIDEO_SHARE", "Outputs", "Scorer", "batches", "feed", "read_score", "runner_for"]


class Scorer:
    """Turns windows into logits.

    Several threads may use one scorer, and with it one session, at the same time. On a GPU their windows go into one
    batch; what a window gets does not depend on what it is batched with.

    Args:
        weights: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        providers: ONNX Runtime providers by name; None leaves it to ``device``.
        threads: Threads inside one operator; 0 takes every core.
        device: See ``cad.DetectOptions``.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
        OptionError: The device or a provider is not available.

    Attributes:
        spec: What the model expects and what its numbers mean.
        entry: Which weights these are.
        providers: What the session really runs on.
        batch_windows: Windows of one call at most; more gain nothing there.
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
        self.batch_windows: int = model.traits.batch_windows
        self._run = runner_for(model)

    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        """Return one score a window, in the same order."""
        return list(self.score_stream(windows))

    def score_stream(self, windows: Iterable[Window]) -> Iterator[WindowScore]:
        """Yield one score a window, in the same order, holding a few windows at a time."""
        for batch in batches(windows, self.batch_windows):
            outputs = self.run(batch)
            yield from (read_score(window, outputs, row, self.spec.heads) for row, window in enumerate(batch))

    def run(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs for windows of one length."""
        return self._run(batch)


def runner_for(model: OpenModel) -> Runner:
    """Return what runs batches on a model in the way that its provider wants."""
    traits = model.traits
    run: Runner = PlainRuns(model.session) if traits.memory is None else BoundRuns(model.session, traits.memory)
    return Gathering(Shrinking(run), traits.batch_windows) if traits.gathers else run


def batches(windows: Iterable[Window], most: int) -> Iterator[list[Window]]:
    """Yield lists of up to ``most`` consecutive windows of one length."""
    for _, alike in groupby(windows, key=lambda window: len(window.frames_present)):
        while batch := list(islice(alike, most)):
            yield batch


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
