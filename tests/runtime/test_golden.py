# SPDX-License-Identifier: Apache-2.0
"""Shipped detectors against their golden vectors, without torch; and the packing that makes those."""

from __future__ import annotations

import json

import numpy as np
import pytest
from requirements import needs
from tiny_model import tiny_onnx, tiny_spec
from tool_module import load_tool

from cad.errors import WeightsIntegrityError
from cad.runtime.session import open_model
from cad.spec import OUTPUTS, ModelSpec
from cad.weights import WeightsEntry, default_detector, list_entries, read_verified
from cad.weights.golden import CASES, GOLDEN_NAME
from cad.weights.registry import find_entry

pack_weights = load_tool("release/pack_weights")
main, pack = pack_weights.main, pack_weights.pack

SHIPPED = list_entries("detector")


def differences(entry: WeightsEntry) -> dict[str, float]:
    """Return by output the worst difference from the golden vectors beyond what processors differ by."""
    session = open_model(read_verified(entry), entry.name, device="cpu", threads=1).session
    stored = np.load(entry.path.parent / GOLDEN_NAME)
    assert set(stored) == {f"{case.name}/{name}" for case in CASES for name in OUTPUTS}
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for case in CASES:
        for name, now in zip(OUTPUTS, session.run(list(OUTPUTS), case.inputs()), strict=True):
            then = stored[f"{case.name}/{name}"]
            assert now.shape == then.shape
            beyond = np.abs(now - then) - 1e-3 * np.abs(then)
            worst[name] = max(worst[name], float(beyond.max()))
    return worst


@needs("weights")
def test_the_package_has_a_detector_as_soon_as_it_has_a_folder_for_one():
    assert default_detector() in SHIPPED


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_a_shipped_file_says_what_it_said_when_it_was_packed(entry):
    worst = differences(entry)
    assert max(worst.values()) < 2e-3, worst


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_a_shipped_file_is_small_and_names_itself(entry):
    # The wheel has to stay under 100 MB.
    assert entry.path.stat().st_size <= (80e6 if entry.name.startswith("cad_base") else 40e6)
    spec: ModelSpec = open_model(read_verified(entry), entry.name, device="cpu", threads=1).spec
    assert spec.name == entry.name
    assert set(spec.calibration) >= {"fused", "video", "audio", "sync"}
    assert set(spec.operating_points) >= {"fused", "video", "audio", "sync"}
    assert spec.trained_on


def test_the_inputs_have_the_shapes_of_the_spec_and_never_change():
    for case in CASES:
        inputs = case.inputs()
        assert inputs["frames"].shape == (case.windows, case.slots, 160, 160, 3)
        assert inputs["frames"].dtype == np.uint8
        assert inputs["audio"].shape == (case.windows, case.slots * 640)
        assert np.abs(inputs["audio"]).max() <= 1.0
        assert inputs["frames_present"].any() == case.picture and inputs["audio_present"].any() == case.sound
    first = CASES[0].inputs()
    assert int(first["frames"].astype(np.int64).sum()) == pytest.approx(979_308_400, abs=5000)
    assert float(np.abs(first["audio"]).sum()) == pytest.approx(2828.5, abs=0.5)


def test_packing_makes_a_folder_that_passes_and_a_changed_model_fails(tmp_path):
    folder = pack(tiny_onnx(tiny_spec()), "tiny", tmp_path, default=True, report=None)
    entry = find_entry("tiny", tmp_path)
    assert max(differences(entry).values()) < 1e-6
    stored = dict(np.load(folder / GOLDEN_NAME))
    stored["short/fused_logit"] = stored["short/fused_logit"] + 0.1
    np.savez_compressed(folder / GOLDEN_NAME, **stored)
    assert differences(entry)["fused_logit"] > 0.09


def test_packing_other_bytes_under_the_same_name_is_refused(tmp_path):
    pack(tiny_onnx(tiny_spec()), "tiny", tmp_path, default=False, report=None)
    with pytest.raises(WeightsIntegrityError, match="new name"):
        pack(tiny_onnx(tiny_spec(min_frames=13)), "tiny", tmp_path, default=False, report=None)


def test_only_one_default_is_left(tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(tiny_spec()))
    metrics = {"fpr": {"value": 0.04}, "auc": {"value": 0.93}, "eer": {"value": 0.1}}
    views = [{"name": "fused head", "measured": {"metrics": metrics}}, {"name": "sync head", "measured": None}]
    facts, parts = ["Weights: `one 00`. Split: `val`."], [{"name": "as_is", "views": views}]
    (tmp_path / "report.json").write_text(json.dumps({"protocol": "manifest", "facts": facts, "parts": parts}))
    for name in ("one", "two"):
        figures = ["--report", str(tmp_path)]
        arguments = [str(tmp_path / "model.onnx"), "--name", name, "--default", "--folder", str(tmp_path), *figures]
        assert main(arguments) == 0
    assert default_detector(tmp_path).name == "two"
    assert find_entry("one", tmp_path).manifest["default"] is False
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["figures"] == {
        "fused head: FPR": 0.04,
        "fused head: AUC": 0.93,
    }
