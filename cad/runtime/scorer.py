# SPDX-License-Identifier: Apache-2.0
"""Scores windows for the detector with the exported graph, without torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice

import numpy as np
import onnxruntime

from cad.errors import SpecMismatchError
from cad.later import Later
from cad.runtime.feeding import BoundRuns, Outputs, PlainRuns, Runner, has_audio, has_video
from cad.runtime.gathering import Gathering
from cad.runtime.providers import CPU, Device, choose_providers, traits_of
from cad.runtime.session import OpenModel, open_model, spec_in
from cad.runtime.shrinking import Shrinking
from cad.spec import HEADS, STREAMS, ModelSpec
from cad.weights import WeightsEntry, default_detector, find_entry, read_verified
from cad.weights.onnx_bytes import metadata_of
from cad.weights.registry import PACKAGE_FOLDER
from cad.windows import Window, WindowScore


class Scorer:
    """Turns windows into logits.

    Several threads may use one scorer, and with it one session, at the same time. On a GPU their windows go into one
    batch; what a window gets does not depend on what it is batched with.

    Args:
        weights: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        providers: ONNX Runtime providers by name; None leaves it to ``device``.
        threads: Threads inside one operator; 0 takes every core.
        device: See ``cad.DetectOptions``.
        opens_later: Let the package's own weights be loaded on a thread, for a CPU, while the caller goes on: what they
            are stands in their metadata, and that they are whole in their sha256. Whoever scores first waits.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable (of those that are opened later, the first call
            that scores may still raise it: there may be too little memory for them).
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
        opens_later: bool = False,
    ) -> None:
        self.entry: WeightsEntry = default_detector() if weights is None else find_entry(weights)
        name = self.entry.name
        if self.entry.kind != "detector":
            raise SpecMismatchError(f"{name} are {self.entry.kind} weights; a detector is needed")
        content = read_verified(self.entry)
        asked = choose_providers(device, providers, onnxruntime.get_available_providers())
        self._runner: Callable[[], Runner]
        if opens_later and threads >= 0 and asked == (CPU,) and self.entry.path.is_relative_to(PACKAGE_FOLDER):
            self.spec: ModelSpec = spec_in(metadata_of(content, name), name)
            self.providers: tuple[str, ...] = asked
            self._runner = Later(lambda: runner_for(open_model(content, name, "cpu", threads=threads)))
        else:
            model = open_model(content, name, device, providers, threads)
            self.spec, self.providers = model.spec, model.providers
            runner = runner_for(model)
            self._runner = lambda: runner
        self.batch_windows: int = traits_of(self.providers).batch_windows

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
        return self._runner()(batch)


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
