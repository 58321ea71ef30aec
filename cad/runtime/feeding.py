# SPDX-License-Identifier: Apache-2.0
"""Gives windows to a session as one batch: in arrays of their own, or in buffers that a device copies from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cad.runtime.host_memory import host_buffer
from cad.spec import OUTPUTS
from cad.windows import Window

#: A stream that exists for less of a window than this is not scored there.
MIN_VIDEO_SHARE = 0.5
MIN_AUDIO_SHARE = 0.2
#: Shapes of which a lane keeps the device's memory: whole batches, and a rest or two.
_KEPT_SHAPES = 4

Outputs = dict[str, NDArray[np.float32]]
Inputs = dict[str, NDArray[np.generic]]


class Runner(Protocol):
    """Runs the graph on windows of one length; several threads may call it at once."""

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs, one row a window."""


def has_video(window: Window) -> bool:
    """Say whether enough of the window has picture."""
    return bool(window.frames_present.mean() >= MIN_VIDEO_SHARE)


def has_audio(window: Window) -> bool:
    """Say whether enough of the window has speech."""
    return bool(window.audio_present.mean() >= MIN_AUDIO_SHARE)


def feed(batch: Sequence[Window], into: Mapping[str, NDArray[Any]] | None = None) -> Inputs:
    """Return the graph's inputs for windows of one length; a stream that is too thin to score is left out whole.

    Args:
        batch: The windows.
        into: By input an array of its shape and type to write to, instead of a new one.
    """
    out = into or {}
    video = [window.frames_present * np.float32(has_video(window)) for window in batch]
    audio = [window.audio_present * np.float32(has_audio(window)) for window in batch]
    return {
        "frames": np.stack([window.frames for window in batch], out=out.get("frames")),
        "audio": np.stack([window.audio for window in batch], out=out.get("audio")),
        "frames_present": np.stack(video, out=out.get("frames_present")),
        "audio_present": np.stack(audio, out=out.get("audio_present")),
    }


class PlainRuns:
    """Runs a session as it is: right for a CPU, which computes where the arrays lie.

    Args:
        session: An ONNX Runtime session, which several threads may share.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs, one row a window."""
        return dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), feed(batch)), strict=True))


class BoundRuns:
    """Runs a session on a device: windows are stacked in page-locked buffers, and copied to memory that stays there.

    A call takes a *lane*, buffers and bindings of its own, so that several threads may share the session.

    Args:
        session: An ONNX Runtime session.
        memory: ONNX Runtime's name of the device's memory; ``cpu`` works too, and serves to test the way there.
    """

    def __init__(self, session: Any, memory: str) -> None:
        self._session = session
        self._memory = memory
        self._lock = Lock()
        self._lanes: list[_Lane] = []

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs, one row a window."""
        with self._lock:
            lane = self._lanes.pop() if self._lanes else _Lane(self._session, self._memory)
        outputs = lane.run(batch)  # where it fails, the lane is let go
        with self._lock:
            self._lanes.append(lane)
        return outputs


class _Lane:
    """Buffers on both sides and what binds a session to them; one thread at a time."""

    def __init__(self, session: Any, memory: str) -> None:
        self._session = session
        self._memory = memory
        self._buffers: dict[str, NDArray[np.uint8]] = {}
        self._values: dict[tuple[int, int], dict[str, Any]] = {}

    def run(self, batch: Sequence[Window]) -> Outputs:
        count, slots = len(batch), len(batch[0].frames_present)
        shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "frames": ((count, *batch[0].frames.shape), np.uint8),
            "audio": ((count, len(batch[0].audio)), np.float32),
            "frames_present": ((count, slots), np.float32),
            "audio_present": ((count, slots), np.float32),
        }
        inputs = feed(batch, {name: self._buffer(name, *its) for name, its in shapes.items()})
        values = self._device_values(count, slots, shapes)
        binding = self._session.io_binding()
        for name, value in values.items():
            value.update_inplace(inputs[name])
            binding.bind_ortvalue_input(name, value)
        for name in OUTPUTS:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return dict(zip(OUTPUTS, binding.copy_outputs_to_cpu(), strict=True))

    def _buffer(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
        """Return a part of the page-locked buffer for an input, which grows with what is asked for."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        held = self._buffers.get(name)
        if held is None or len(held) < size:
            self._buffers.pop(name, None)
            held = self._buffers[name] = host_buffer(size, is_for_cuda=self._memory == "cuda")
        return held[:size].view(kind).reshape(shape)

    def _device_values(
        self, count: int, slots: int, shapes: Mapping[str, tuple[tuple[int, ...], type[np.generic]]]
    ) -> dict[str, Any]:
        values = self._values.pop((count, slots), None)
        if values is None:
            make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
            values = {name: make(shape, kind, self._memory, 0) for name, (shape, kind) in shapes.items()}
        self._values[count, slots] = values
        if len(self._values) > _KEPT_SHAPES:
            del self._values[next(iter(self._values))]
        return values
