# SPDX-License-Identifier: Apache-2.0
"""Opens verified ONNX bytes as an ONNX Runtime session, the same way for the detector and the face nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from cad.errors import WeightsError
from cad.freed_memory import give_back
from cad.weights.onnx_bytes import check_self_contained

#: Providers whose sessions run one node after the other, with memory that is not planned ahead.
_UNPLANNED = ("DmlExecutionProvider",)


def open_session(
    content: bytes,
    name: str,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
    provider_options: Sequence[Mapping[str, str]] = (),
    entries: Mapping[str, str] | None = None,
) -> Any:
    """Return an ONNX Runtime session that sends no telemetry and prints errors only.

    Args:
        content: The file, whose sha256 has been checked.
        name: For messages.
        providers: ONNX Runtime providers in order of preference.
        threads: Threads inside one operator; 0 lets ONNX Runtime take every core.
        provider_options: For each provider, its options by name; none at all leaves them as they are.
        entries: Further entries of the session's configuration by key.

    Raises:
        WeightsError: ONNX Runtime cannot load the bytes, or they refer to weights outside of them.
    """
    check_self_contained(content, name)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    # Never ONNX Runtime's own format, which has places of its own for weights that lie elsewhere.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # An arena keeps what the largest batch ever took, hundreds of megabytes, for all files to come; it saves no time.
    options.enable_cpu_mem_arena = False
    # Threads that spin while they wait would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    if any(provider in _UNPLANNED for provider in providers):
        options.enable_mem_pattern = False
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    told = [dict(one) for one in provider_options] or None
    try:
        # A device that fails is an error, not a reason to go on elsewhere, which would be printed among the results.
        # (To redirect that would redirect what other threads print meanwhile.)
        session = onnxruntime.InferenceSession(content, options, list(providers), told, enable_fallback=0)
        # Raises where a name or a note of the file is not UTF-8, for which later callers are not prepared.
        _ = [one.name for one in (*session.get_inputs(), *session.get_outputs())]
        _ = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # ONNX Runtime's own exceptions share no root but this one.
        # It quotes names out of the file, and over several lines.
        said = "".join(one if one.isprintable() else " " for one in str(error))
        raise WeightsError(f"{name}: ONNX Runtime cannot load the model: {said}") from error
    # For a change of providers, which nobody asks for, the session would keep the file as well as what it made of it.
    session._model_bytes = None
    give_back()
    return session
