# SPDX-License-Identifier: Apache-2.0
"""export/verify.py: files that are right, and every reason why one is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from requirements import needs
from tiny_model import tiny_onnx, tiny_spec, write_weights

from cad.errors import OptionError
from cad.runtime.golden_differences import CPU_ATOL
from cad.runtime.session import open_model
from cad.runtime.verification import devices_at_hand, verify
from cad.spec import METADATA_KEY, OUTPUTS
from cad.weights import default_detector, find_entry
from cad.weights.golden import CASES, GOLDEN_NAME, flatten

VERIFY = Path(__file__).resolve().parents[2] / "export" / "verify.py"


RUN = (
    "import runpy\n"
    "for name in ('torch', 'onnx'): sys.modules[name] = None  # only cad-detect is installed\n"
    f"runpy.run_path({str(VERIFY)!r}, run_name='__main__')"
)


def tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", f"import sys; sys.argv = ['verify.py', *sys.argv[1:]]\n{RUN}", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)


def found(path: Path) -> dict[str, dict[str, str]]:
    """Return by file the text of every check that is not right."""
    reports = verify(path, ["cpu"])
    return {
        one.file.name: {finding.check: finding.text for finding in one.findings if not finding.is_right}
        for one in reports
    }


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of weights with a manifest and golden vectors that are right."""
    folder = write_weights(tmp_path / "tiny", tiny_onnx(tiny_spec()))
    session = open_model((folder / "model.onnx").read_bytes(), "tiny", device="cpu").session
    said = {case.name: dict(zip(OUTPUTS, session.run(list(OUTPUTS), case.inputs()), strict=True)) for case in CASES}
    np.savez(folder / GOLDEN_NAME, **flatten(said))
    return folder


@needs("weights")
def test_packaged_weights_are_right_without_torch_and_onnx():
    done = tool(default_detector().path.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"packaged {default_detector().name}" in done.stdout and "on CPUExecutionProvider" in done.stdout
    assert "not tried on" in done.stdout


def test_nets_that_are_no_detectors_are_told_by_their_bytes(tmp_path):
    for name in ("face_points_s2", "face_yunet_s2", "speech_silero_5"):
        shutil.copy(find_entry(name).path, tmp_path / f"{name}.onnx")
    assert found(tmp_path) == {f"{name}.onnx": {} for name in ("face_points_s2", "face_yunet_s2", "speech_silero_5")}


def test_somebody_elses_weights_are_not_ours_though_they_run(tiny):
    texts = found(tiny)["model.onnx"]
    assert list(texts) == ["hash"] and "no packaged weights" in texts["hash"]


def test_a_changed_byte_is_named_with_both_hashes(tiny):
    content = bytearray((tiny / "model.onnx").read_bytes())
    content[content.index(b"arithmetic")] ^= 1  # in the text of the spec
    (tiny / "model.onnx").write_bytes(content)
    reports = verify(tiny, ["cpu"])
    texts = [one.text for one in reports[0].findings if one.check == "hash"]
    assert "damaged or was replaced" in texts[0] and str(reports[0].sha256) in texts[0]


def test_what_is_no_onnx_file_does_not_load(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    assert list(found(tmp_path)["model.onnx"]) == ["hash", "load"]


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    texts = found(tmp_path)["model.onnx"]
    assert f"no {METADATA_KEY!r}" in texts["key"]


@pytest.mark.parametrize(("change", "check", "said"), [
    ({"version": 2}, "version", "has version 2"),
    ({"crop_size_px": 96}, "spec", "crop_size_px"),
    ({"window_frames": "long"}, "spec", "window_frames"),
])  # fmt: skip
def test_another_version_or_spec_is_named(change, check, said, tmp_path):
    model = onnx.load_from_string(tiny_onnx(tiny_spec()))
    (entry,) = (one for one in model.metadata_props if one.key == METADATA_KEY)
    entry.value = json.dumps(json.loads(entry.value) | change)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert said in found(tmp_path)["model.onnx"][check]


def test_another_graph_is_told_by_the_input_or_output(tmp_path):
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(tiny_spec(), drop_output="audio_logit"))
    assert "audio_logit" in found(tmp_path)["model.onnx"]["graph"]


def test_a_golden_difference_names_case_and_output(tiny):
    with np.load(tiny / GOLDEN_NAME) as stored:
        vectors = dict(stored)
    vectors["loud/video_logit"] = vectors["loud/video_logit"] + np.float32(0.5)
    np.savez(tiny / GOLDEN_NAME, **vectors)
    text = found(tiny)["model.onnx"]["golden"]
    assert "video_logit of loud is off by 0.5" in text and f"allowed is {CPU_ATOL}" in text


def test_a_device_that_is_not_there_is_an_option_error():
    devices, missing = devices_at_hand()
    assert "cpu" in devices
    for device in missing:
        with pytest.raises(OptionError, match=device):
            devices_at_hand(device)


def test_a_device_that_is_not_there_has_a_code_of_its_own(tiny):
    # No system has Apple's and Microsoft's at once.
    done = tool(tiny, "--device", "coreml" if "coreml" in devices_at_hand()[1] else "directml")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout


def test_json_has_every_finding(tiny):
    done = tool(tiny, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 4 and document["schema"] == "cad.verification/1" and not document["is_right"]
    (file,) = document["files"]
    golden = next(one for one in file["findings"] if one["check"] == "golden")
    assert golden["is_right"] and {one["output"] for one in golden["worst"]} == set(OUTPUTS)


def test_nothing_there_is_said_in_a_line(tmp_path):
    for path in (tmp_path, tmp_path / "none.onnx"):
        done = tool(path)
        assert done.returncode == 4 and len(done.stderr.splitlines()) == 1


def test_a_kit_is_right_and_each_fault_of_it_is_found(kit, tmp_path):
    assert not any(found(kit).values())
    own = tmp_path / "kit"
    shutil.copytree(kit, own, copy_function=lambda a, b: Path(b).symlink_to(a))

    def replaced(name: str, content: bytes) -> None:
        (own / name).unlink()
        (own / name).write_bytes(content)

    (own / "cad_full.onnx").unlink()
    replaced("face_crop.onnx", (kit / "face_look.onnx").read_bytes())
    document = json.loads((kit / "kit.json").read_text())
    document["files"]["lip_motion.onnx"]["outputs"][0]["name"] = "moved"
    replaced("kit.json", json.dumps(document).encode())
    texts = found(own)
    assert "no such file" in texts["cad_full.onnx"]["missing"].lower()
    assert "damaged or was replaced" in texts["face_crop.onnx"]["hash"] and "graph" in texts["face_crop.onnx"]
    assert "output 'moved' is missing" in texts["lip_motion.onnx"]["graph"]
    assert not texts["face_find.onnx"] and not texts["model.onnx"]
