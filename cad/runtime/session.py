# SPDX-License-Identifier: Apache-2.0
"""Opens an ONNX file for the scorer as a session whose providers, inputs and ModelSpec have been checked."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import onnxruntime

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from cad.errors import OptionError, SpecMismatchError, WeightsError
from cad.faces.records import CROP_SIZE_PX
from cad.runtime.placement import RECORD_KEY, too_little, work_by_provider
from cad.runtime.portable_graph import portable
from cad.runtime.provider_options import CACHE_VARIABLE, lacks_driver, options_of, prepare
from cad.runtime.providers import CPU, Device, Traits, check_active, choose_providers, traits_of
from cad.spec import INPUTS, METADATA_KEY, OUTPUTS, ModelSpec
from cad.weights.onnx_bytes import check_self_contained
from cad.weights.session import open_session

logger = logging.getLogger(__name__)

#: Severities of ONNX Runtime's logger.
_WARNINGS, _NOTHING = 2, 4
INPUT_TYPES = {
    "frames": "tensor(uint8)",
    "audio": "tensor(float)",
    "frames_present": "tensor(float)",
    "audio_present": "tensor(float)",
}


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A session that is ready to run, what it expects, and what it runs on."""

    session: Any
    spec: ModelSpec
    providers: tuple[str, ...]

    @property
    def traits(self) -> Traits:
        """How the provider that runs it wants to be used."""
        return traits_of(self.providers)


def open_model(
    content: bytes, name: str, device: Device = "auto", providers: Sequence[str] | None = None, threads: int = 0
) -> OpenModel:
    """Open verified ONNX bytes.

    What was insisted on is what it runs on. With device ``auto`` a GPU that does not start is told in one line of the
    log, and the CPU takes its place.

    Args:
        content: The file, whose sha256 has been checked.
        name: For messages.
        device: See ``choose_providers``.
        providers: See ``choose_providers``.
        threads: Threads inside one operator; 0 lets ONNX Runtime take every core.

    Raises:
        OptionError: The device or a provider is not available, does not start or leaves the model to the CPU, or the
            number of threads is negative.
        SpecMismatchError: The graph is not one that this package can run.
        WeightsError: ONNX Runtime cannot load the bytes.
    """
    if threads < 0:
        raise OptionError(f"threads is {threads}; it must be 0 (every core) or more")
    asked = choose_providers(device, providers, onnxruntime.get_available_providers())
    session = None
    if asked[0] != CPU:
        insisted = device != "auto" or bool(providers)
        try:
            with nullcontext() if insisted else _runtime_is_quiet():
                session = _open_on_device(content, name, asked, threads)
        except OptionError as error:
            if insisted:
                raise OptionError(f"{error}; or use --device cpu") from error
            logger.warning("%s; the CPU is used instead", error)
            asked = (CPU,)
    if session is None:
        session = open_session(content, name, asked, threads)
    check_graph(session, name)
    model = OpenModel(session, read_spec(session, name), tuple(session.get_providers()))
    logger.info("%s runs on %s", name, ", ".join(model.providers))
    return model


def _open_on_device(content: bytes, name: str, asked: tuple[str, ...], threads: int) -> Any:
    """Open a session that the first of the providers really runs.

    Raises:
        OptionError: It does not start, cannot run the model, or leaves most of it to the CPU.
        WeightsError: The bytes are no ONNX file, or refer to weights outside of them.
    """
    if why := lacks_driver(asked[0]):
        raise OptionError(f"{asked[0]} is installed, but does not start: {why}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        prepare(asked, digest)
    except OSError as error:
        raise OptionError(
            f"the folder for TensorRT's engines cannot be made ({error}); set {CACHE_VARIABLE}"
        ) from error
    check_self_contained(content, name)
    options = [options_of(provider, digest, threads) for provider in asked]
    graph = portable(content, name)
    try:
        session = open_session(graph, name, asked, threads, options, {RECORD_KEY: "1"})
    except WeightsError as error:  # the device's fault: the bytes have been looked through
        raise OptionError(f"{asked[0]} is installed, but cannot run the model ({error})") from error
    check_active(asked, session.get_providers(), insisted=True)
    work = work_by_provider(session)
    if why := too_little(asked[0], work):
        raise OptionError(why)
    logger.info("%s: working operators by provider: %s", name, work)
    return session


@contextmanager
def _runtime_is_quiet() -> Iterator[None]:
    """Keep ONNX Runtime's own lines about a device that does not start off stderr, where our line stands for them.

    With ``-v`` they are shown. Its logger is one for the whole process; afterwards it is as it is by default.
    """
    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    onnxruntime.set_default_logger_severity(_NOTHING)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)


def check_graph(session: Any, name: str) -> None:
    """Check the names and types of a graph's inputs and the names of its outputs.

    Raises:
        SpecMismatchError: One is missing or has another type; the message names it.
    """
    inputs = {node.name: node.type for node in session.get_inputs()}
    for wanted in INPUTS:
        if inputs.get(wanted) != INPUT_TYPES[wanted]:
            raise SpecMismatchError(
                f"{name}: input {wanted!r} must be {INPUT_TYPES[wanted]}, the graph has {inputs.get(wanted, 'none')}"
            )
    missing = sorted(set(OUTPUTS) - {node.name for node in session.get_outputs()})
    if missing:
        raise SpecMismatchError(f"{name}: the graph lacks the outputs {', '.join(missing)}")


def read_spec(session: Any, name: str) -> ModelSpec:
    """Return the ModelSpec in a session's metadata; see ``spec_in``."""
    return spec_in(session.get_modelmeta().custom_metadata_map, name)


def spec_in(notes: Mapping[str, str], name: str) -> ModelSpec:
    """Return the ModelSpec in a file's metadata, by key.

    Raises:
        SpecMismatchError: There is none, its version is none that this package can run, or it is of another clock, crop
            size or shape of windows; the message names the field.
    """
    text = notes.get(METADATA_KEY)
    if text is None:
        raise SpecMismatchError(
            f"{name}: the file has no {METADATA_KEY!r} in its metadata; export it with export/to_onnx.py"
        )
    spec = ModelSpec.from_json(text)
    ours = {"frame_rate_hz": FRAME_RATE_HZ, "sample_rate_hz": SAMPLE_RATE_HZ, "crop_size_px": CROP_SIZE_PX}
    for field, value in ours.items():
        if getattr(spec, field) != value:
            raise SpecMismatchError(f"{name}: the model's {field} is {getattr(spec, field)}; this package has {value}")
    if not 1 <= spec.min_frames <= spec.window_frames or not 1 <= spec.hop_frames <= spec.window_frames:
        raise SpecMismatchError(
            f"{name}: min_frames {spec.min_frames} and hop_frames {spec.hop_frames} must lie between 1 and "
            f"window_frames {spec.window_frames}"
        )
    return spec
