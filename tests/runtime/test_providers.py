# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from threading import Event, Thread
from typing import Any

import onnxruntime
import pytest

from cad.cli import DeviceChoice
from cad.errors import OptionError, WeightsError
from cad.runtime import providers
from cad.runtime.providers import (
    BY_DEVICE,
    COREML,
    CPU,
    CUDA,
    DEVICES,
    DIRECTML,
    OPENVINO,
    TENSORRT,
    TRAITS,
    check_active,
    choose_providers,
    other_runtimes_warning,
)
from cad.weights import find_entry, read_verified
from cad.weights.session import open_session

INSTALLS = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "openvino": "onnxruntime-openvino",
    "coreml": "onnxruntime",
    "directml": "onnxruntime-directml",
}


def test_auto_takes_cuda_where_it_is_and_the_cpu_where_it_is_not():
    assert choose_providers("auto", None, [CUDA, CPU]) == (CUDA, CPU)
    assert choose_providers("auto", None, [TENSORRT, CUDA, OPENVINO, CPU]) == (CUDA, CPU)
    assert choose_providers("auto", None, [OPENVINO, COREML, CPU]) == (CPU,)
    assert choose_providers("cpu", None, [CUDA, CPU]) == (CPU,)


@pytest.mark.parametrize("device", [name for name in DEVICES if name not in ("auto", "cpu")])
def test_every_device_is_its_own_provider_before_the_cpu(device):
    everything = [CPU, CUDA, TENSORRT, OPENVINO, COREML, DIRECTML]
    first, *others = choose_providers(device, None, everything)
    assert first.lower().startswith(device.replace("directml", "dml")) and others[-1] == CPU
    assert others == ([CUDA, CPU] if device == "tensorrt" else [CPU])
    assert TRAITS[first].package == INSTALLS[device]


@pytest.mark.parametrize("device", INSTALLS)
def test_asking_for_what_is_absent_says_what_there_is_and_how_to_get_it(device):
    with pytest.raises(
        OptionError, match=rf"only CPUExecutionProvider; for .*pip .*--force-reinstall {INSTALLS[device]}$"
    ):
        choose_providers(device, None, [CPU])
    with pytest.raises(OptionError, match=rf"this ONNX Runtime has CPU.*--force-reinstall {INSTALLS[device]}$"):
        choose_providers("auto", [BY_DEVICE[device][0]], [CPU])


def test_tensorrt_goes_without_cuda_where_a_build_has_none():
    assert choose_providers("tensorrt", None, [TENSORRT, CPU]) == (TENSORRT, CPU)


def test_an_unknown_provider_names_the_nearest():
    with pytest.raises(OptionError, match="CPUExecutionProvider"):
        choose_providers("auto", ["CPUExecutionProvide"], [CPU])


def test_an_unknown_device_is_refused():
    with pytest.raises(OptionError, match=r"auto, cpu, cuda.*did you mean tensorrt\?"):
        choose_providers("tensort", None, [CPU])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"directml$"):
        choose_providers("abacus", None, [CPU])  # type: ignore[arg-type]


def test_a_silent_fall_back_is_an_error_only_for_those_who_insisted():
    with pytest.raises(OptionError, match="did not start"):
        check_active([CUDA, CPU], [CPU], insisted=True)
    assert check_active([CUDA, CPU], [CPU], insisted=False) == (CPU,)


def test_both_runtimes_at_once_are_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0" if len(name) < 16 else None)
    warning = other_runtimes_warning()
    assert warning == (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; keep one: "
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps --force-reinstall onnxruntime-gpu"
    )
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0")
    assert "all installed" in str(other_runtimes_warning())
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0" if name == "onnxruntime" else None)
    assert other_runtimes_warning() is None


def test_a_session_that_does_not_start_prints_nothing_among_the_results(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Any, *providers: object) -> None:
        self._fallback_providers = ["CPUExecutionProvider"]
        raise RuntimeError("no thread starts")

    monkeypatch.setattr("onnxruntime.InferenceSession._create_inference_session", fail)
    with pytest.raises(WeightsError, match="no thread starts"):
        open_session(read_verified(find_entry("face_yunet_s2")), "tiny", ("CPUExecutionProvider",), 0)
    assert capfd.readouterr() == ("", "")


def test_what_other_threads_print_while_a_session_is_opened_stays_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = onnxruntime.InferenceSession
    begun, printed = Event(), Event()

    def slow(*its: Any, **more: Any) -> Any:
        begun.set()
        assert printed.wait(20)
        return real(*its, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", slow)
    opening = Thread(target=lambda: open_session(read_verified(find_entry("face_yunet_s2")), "tiny"))
    opening.start()
    assert begun.wait(20)
    print("a result")
    printed.set()
    opening.join(20)
    assert capsys.readouterr().out == "a result\n"


def test_the_command_takes_every_device():
    assert [choice.value for choice in DeviceChoice] == list(DEVICES)
