# SPDX-License-Identifier: Apache-2.0
"""Every provider that is at hand says what the CPU says; the graph that they get does so on the CPU, too."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from requirements import give_up, needs

import cad.runtime.scorer as scorer_module
from cad.detector import Detector
from cad.runtime.portable_graph import portable
from cad.runtime.providers import BY_DEVICE
from cad.runtime.session import open_model
from cad.spec import OUTPUTS
from cad.weights import list_entries, read_verified
from cad.weights.golden import CASES
from cad.weights.session import open_session

sys.path.append(str(Path(__file__).parents[1] / "golden"))
from golden_verdicts import CLIPS, differences

pytestmark = needs("weights")

#: Of logits, between devices that compute the same graph: float32 in another order, and what TensorRT makes of it.
LOGIT_TOLERANCE = {"cuda": 5e-3, "tensorrt": 2e-2, "openvino": 1e-3}
#: Of probabilities, between a device and the plain CPU, which rounds what the large judge multiplies to 8 bits: 0.038
#: at most on the golden clips, and no other label where a threshold is farther away (docs/gpu.md).
PROBABILITY_TOLERANCE = 0.05
DEVICES = [
    pytest.param("openvino", marks=needs("openvino_runtime")),
    pytest.param("cuda", marks=pytest.mark.gpu),
    pytest.param("tensorrt", marks=pytest.mark.gpu),
]


def check_offered(device: str) -> None:
    provider = BY_DEVICE[device][0]
    if provider not in onnxruntime.get_available_providers():
        give_up("openvino_runtime" if device == "openvino" else "gpu", f"an ONNX Runtime with {provider}")
    if device == "tensorrt":
        try:
            open_tiny(device)
        except Exception as error:
            give_up("tensorrt", f"TensorRT's libraries beside onnxruntime-gpu ({error})")


def open_tiny(device: str) -> None:
    entry = next(one for one in list_entries("detector") if one.name.startswith("cad_small"))
    open_model(read_verified(entry), entry.name, device)  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", list_entries("detector"), ids=lambda entry: entry.name)
@pytest.mark.parametrize("device", DEVICES)
def test_a_device_computes_what_the_cpu_computes(device, entry):
    check_offered(device)
    content = read_verified(entry)
    model = open_model(content, entry.name, device, threads=2)
    assert model.providers[0] == BY_DEVICE[device][0]
    reference = open_session(portable(content, entry.name), entry.name, threads=2)
    for case in CASES:
        inputs = case.inputs()
        runs = (one.run(list(OUTPUTS), inputs) for one in (model.session, reference))
        for name, now, then in zip(OUTPUTS, *runs, strict=True):
            np.testing.assert_allclose(now, then, 1e-3, LOGIT_TOLERANCE[device], err_msg=f"{case.name} {name}")


def verdicts(device: str = "cpu") -> tuple[tuple[str, ...], dict[str, dict[str, Any]]]:
    with Detector(device=device, threads=2) as detector:
        found = {clip.name: json.loads(detector.detect(clip).to_json()) for clip in CLIPS}
        return detector.model.providers, found


@pytest.fixture(scope="module")
def on_the_cpu() -> dict[str, dict[str, Any]]:
    return verdicts()[1]


def is_near_a_threshold(document: dict[str, Any]) -> bool:
    """Say whether a verdict would be another one if its probabilities were off by the tolerance."""
    values = {name: one["probability_fake"] for name, one in document["streams"].items()}
    values["fused"] = document["probability_fake"]
    return any(
        values[name] is not None and abs(values[name] - point[key]) <= PROBABILITY_TOLERANCE
        for name, point in document["operating_points"].items()
        for key in ("fake_threshold", "real_threshold")
    )


def check_verdicts(now: dict[str, dict[str, Any]], then: dict[str, dict[str, Any]]) -> None:
    far = 0
    for name, document in then.items():
        same_words = [one["code"] for one in now[name]["reasons"]] == [one["code"] for one in document["reasons"]]
        if not (now[name]["label"] == document["label"] and same_words):
            assert is_near_a_threshold(document), (name, now[name]["label"], document["label"])
            continue
        far += 1
        found = differences(now[name], document, PROBABILITY_TOLERANCE)
        assert not found, (name, found)
    assert far >= 9  # of ten: a device that differs in more says something else


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
def test_the_verdict_is_the_same_on_a_device(device, on_the_cpu):
    check_offered(device)
    providers, now = verdicts(device)
    assert providers[0] == BY_DEVICE[device][0]
    check_verdicts(now, on_the_cpu)


@pytest.mark.slow
def test_the_verdict_is_the_same_by_the_graph_for_devices(on_the_cpu, monkeypatch):
    real: Callable[..., Any] = scorer_module.open_model
    opened = []

    def open_portable(content: bytes, name: str, *more: Any, **by_name: Any) -> Any:
        opened.append(name)
        return real(portable(content, name), name, *more, **by_name)

    monkeypatch.setattr(scorer_module, "open_model", open_portable)
    check_verdicts(verdicts()[1], on_the_cpu)
    assert opened == ["cad_base_1"]
