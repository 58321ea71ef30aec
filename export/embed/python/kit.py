# SPDX-License-Identifier: Apache-2.0
"""The kit: the folder that export/embedding.py wrote. Its graphs, its ModelSpec and the constants of the contract."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import onnxruntime

SCHEMA = "cad.kit/1"
CPU = "CPUExecutionProvider"


class KitError(Exception):
    """The kit is missing, damaged or of another schema, or the provider that was asked for is not there."""


class Kit:
    """One kit, opened. Every file is checked against its sha256 before it is used.

    Args:
        folder: What export/embedding.py wrote.
        provider: The execution provider that runs the model; the small graphs always run on the CPU.
        threads: Of ONNX Runtime, 0 for every core.

    Attributes:
        spec: The ModelSpec: window length, calibration, operating points.
        rules: The constants of the contract, each under its name in lower case: ``rules.shot.search_step``.
        provider: What the model runs on.
    """

    def __init__(self, folder: Path, provider: str = CPU, threads: int = 0) -> None:
        self.folder = folder
        try:
            self.document = json.loads((folder / "kit.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise KitError(f"{folder} is no kit: kit.json cannot be read ({error})") from error
        if self.document.get("schema") != SCHEMA:
            raise KitError(f"{folder}: the kit's schema is {self.document.get('schema')!r}, not {SCHEMA!r}")
        self.spec = self.document["spec"]
        self.rules = SimpleNamespace(
            **{
                module.rpartition(".")[2]: SimpleNamespace(**{name.lower(): value for name, value in names.items()})
                for module, names in self.document["constants"].items()
            }
        )
        self.threads = threads
        self.provider = provider
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(self, name: str, **inputs: object) -> list:
        """Return the outputs of one graph, such as ``run("face_crop", picture=..., points=...)``."""
        return self.session(name).run(None, inputs)

    def session(self, name: str) -> onnxruntime.InferenceSession:
        """Return the session of one graph, opened when it is asked for the first time."""
        if name not in self._sessions:
            self._sessions[name] = self._open(name)
        return self._sessions[name]

    def _open(self, name: str) -> onnxruntime.InferenceSession:
        file = f"{name}.onnx"
        try:
            content = (self.folder / file).read_bytes()
        except OSError as error:
            raise KitError(f"{self.folder / file} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.document["files"][file]["sha256"]:
            raise KitError(f"{self.folder / file} is damaged or was replaced: its sha256 is not that of kit.json")
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # The model has many windows to work on; the small graphs would lose more by waking threads than they gain.
        options.intra_op_num_threads = self.threads if name == "model" else 1
        providers = [self.provider, CPU] if name == "model" and self.provider != CPU else [CPU]
        if providers[0] not in onnxruntime.get_available_providers():
            known = ", ".join(onnxruntime.get_available_providers())
            raise KitError(f"this ONNX Runtime has no {providers[0]}; it has {known}")
        session = onnxruntime.InferenceSession(content, options, providers=providers)
        # ONNX Runtime falls back to the CPU without a word; who asked for a provider must know.
        if providers[0] not in session.get_providers():
            raise KitError(f"{providers[0]} was asked for and did not start")
        return session
