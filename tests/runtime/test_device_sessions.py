# SPDX-License-Identifier: Apache-2.0
"""What happens between choosing a device and a session that runs there, with providers that are not at hand."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
from requirements import needs
from tiny_model import tiny_onnx, tiny_spec

from cad.errors import OptionError, WeightsError
from cad.runtime import provider_options
from cad.runtime import session as session_module
from cad.runtime.placement import RECORD_KEY, too_little, work_by_provider
from cad.runtime.provider_options import cuda_libraries, engine_folder, lacks_driver, options_of
from cad.runtime.providers import COREML, CPU, CUDA, DIRECTML, OPENVINO, TENSORRT
from cad.runtime.session import open_model
from cad.weights.session import open_session

CONTENT = tiny_onnx(tiny_spec())


class Stand:
    """A session that says of itself what a test wants, over one on the CPU."""

    def __init__(self, real: Any, providers: Sequence[str], work: dict[str, int]) -> None:
        self._real, self._providers, self._work = real, providers, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return list(self._providers)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        node = SimpleNamespace(op_type="MatMul")
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [node] * count)
            for name, count in self._work.items()
        ]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this a machine with all providers, a driver, and sessions that do as a test says; return what was opened."""
    opened: list[dict[str, Any]] = []
    state = SimpleNamespace(opened=opened, starts=True, work={CUDA: 9, CPU: 1}, error=None)

    def open_it(content: bytes, name: str, providers: Sequence[str], threads: int, *more: Any) -> Any:
        opened.append({"providers": tuple(providers), "more": more})
        if providers[0] != CPU and state.error is not None:
            raise state.error
        real = open_session(content, name, (CPU,), threads)
        return Stand(real, providers if state.starts else [CPU], state.work)

    everything = [TENSORRT, CUDA, OPENVINO, COREML, DIRECTML, CPU]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    monkeypatch.setattr(session_module, "open_session", open_it)
    monkeypatch.setattr(session_module, "lacks_driver", lambda provider: None)
    monkeypatch.setattr(provider_options, "load_cuda_libraries", lambda: None)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    monkeypatch.setenv("CAD_TENSORRT_CACHE", "unset")
    return state


def test_what_starts_is_what_was_asked_for_with_its_options(machine, caplog):
    caplog.set_level(logging.INFO, "cad")
    model = open_model(CONTENT, "tiny", "cuda")
    assert model.providers == (CUDA, CPU)
    assert (model.traits.batch_windows, model.traits.memory, model.traits.gathers) == (32, "cuda", True)
    options, entries = machine.opened[0]["more"]
    assert options[0]["use_tf32"] == "0" and options[1] == {} and entries == {RECORD_KEY: "1"}
    assert "tiny runs on CUDAExecutionProvider, CPUExecutionProvider" in caplog.text


@pytest.mark.parametrize("trouble", ["silent", "loud", "driver", "elsewhere"])
def test_auto_falls_back_with_one_line_and_who_insists_gets_an_error(machine, monkeypatch, caplog, trouble):
    if trouble == "silent":
        machine.starts, says = False, "did not start"
    elif trouble == "loud":
        machine.error, says = (
            WeightsError("tiny: ONNX Runtime cannot load the model: CUDA failure 35"),
            "CUDA failure 35",
        )
    elif trouble == "driver":
        monkeypatch.setattr(session_module, "lacks_driver", lambda provider: "this machine has no NVIDIA driver")
        says = "no NVIDIA driver"
    else:
        machine.work, says = {CUDA: 3, CPU: 90}, "runs 3 of the model's 93 working operators"
    assert open_model(CONTENT, "tiny", "auto").providers == (CPU,)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert says in line and line.endswith("the CPU is used instead") and "\n" not in line
    for insisted in ({"device": "cuda"}, {"providers": [CUDA, CPU]}):
        with pytest.raises(OptionError, match=f"{says}.*or use --device cpu$"):
            open_model(CONTENT, "tiny", **insisted)


def test_the_runtime_is_quiet_while_auto_looks_for_a_gpu_and_only_then(machine, monkeypatch, caplog):
    said: list[int] = []
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", said.append)
    machine.starts = False
    open_model(CONTENT, "tiny", "auto")
    assert said == [4, 2]
    with pytest.raises(OptionError):
        open_model(CONTENT, "tiny", "cuda")
    caplog.set_level(logging.DEBUG, "cad")
    open_model(CONTENT, "tiny", "auto")
    assert said == [4, 2]


def test_a_file_that_is_none_is_the_files_fault_on_every_device(machine):
    for device in ("auto", "cuda"):
        with pytest.raises(WeightsError, match="not an ONNX file"):
            open_model(b"no model", "noise", device)


def test_the_cpu_is_opened_as_it_ever_was(machine):
    machine.work = {CPU: 10}
    assert open_model(CONTENT, "tiny", "cpu").providers == (CPU,)
    assert machine.opened == [{"providers": (CPU,), "more": ()}]


def test_the_engines_of_tensorrt_lie_by_model_in_a_folder_of_the_user(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("CAD_TENSORRT_CACHE", str(tmp_path / "engines"))
    machine.work = {TENSORRT: 9, CUDA: 1}
    assert open_model(CONTENT, "tiny", "tensorrt").providers == (TENSORRT, CUDA, CPU)
    (folder,) = (tmp_path / "engines").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    told = machine.opened[0]["more"][0][0]
    assert told["trt_engine_cache_path"] == str(folder) and told["trt_fp16_enable"] == "False"
    other = open_model(tiny_onnx(tiny_spec(min_frames=13)), "tiny", "tensorrt")
    assert other.providers[0] == TENSORRT and len(list((tmp_path / "engines").iterdir())) == 2
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    (tmp_path / "file").touch()
    monkeypatch.setenv("CAD_TENSORRT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OptionError, match="CAD_TENSORRT_CACHE"):
        open_model(CONTENT, "tiny", "tensorrt")


def test_the_cache_of_engines_follows_the_users_settings(monkeypatch):
    monkeypatch.delenv("CAD_TENSORRT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert engine_folder("ab" * 32).as_posix().startswith("/somewhere/cad-detect/tensorrt/abababababababab-")


def test_float32_stays_float32_everywhere():
    assert options_of(OPENVINO, "", 3) == {"device_type": "CPU", "precision": "FP32", "num_of_threads": "3"}
    assert "num_of_threads" not in options_of(OPENVINO, "")
    assert options_of(COREML, "")["MLComputeUnits"] == "CPUAndGPU"
    assert options_of(CPU, "") == {} == options_of("SomeExecutionProvider", "")


@pytest.mark.parametrize(
    ("asked", "work", "is_there"),
    [
        (CUDA, {CUDA: 5, CPU: 5}, True),
        (CUDA, {CUDA: 4, CPU: 5}, False),
        (TENSORRT, {TENSORRT: 1, CUDA: 8, CPU: 1}, True),
        (TENSORRT, {CUDA: 10}, False),
        (CPU, {CPU: 10}, True),
        (CUDA, {}, True),
        (CUDA, None, True),
    ],
)
def test_where_the_work_is_done_decides(asked, work, is_there):
    assert (too_little(asked, work) is None) == is_there


def test_working_operators_are_counted_in_a_real_session():
    session = open_session(CONTENT, "tiny", entries={RECORD_KEY: "1"})
    if not hasattr(session, "get_provider_graph_assignment_info"):
        assert work_by_provider(session) is None
        return
    assert work_by_provider(session) == {CPU: 0}  # the tiny model has no product
    assert work_by_provider(object()) is None


def test_a_machine_without_a_driver_is_known_before_anything_is_loaded(monkeypatch):
    monkeypatch.setitem(provider_options._DRIVER, "linux", "libno_such_driver.so.1")
    monkeypatch.setattr(provider_options.sys, "platform", "linux")
    assert "libno_such_driver.so.1" in str(lacks_driver(CUDA)) and lacks_driver(TENSORRT)
    assert lacks_driver(OPENVINO) is None and lacks_driver(CPU) is None
    monkeypatch.setitem(provider_options._DRIVER, "linux", None)
    assert lacks_driver(CUDA) is None


def test_cudas_libraries_are_taken_from_the_packages_of_their_version(tmp_path):
    for name in (
        "cu13/lib/libcublas.so.13",
        "cu13/lib/libcudart.so.13",
        "cublas/lib/libcublas.so.12",
        "cudnn/lib/libcudnn.so.9",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(major: str) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in cuda_libraries([tmp_path], major)]

    assert found("13") == ["cu13/lib/libcudart.so.13", "cu13/lib/libcublas.so.13", "cudnn/lib/libcudnn.so.9"]
    assert found("12") == ["cublas/lib/libcublas.so.12", "cudnn/lib/libcudnn.so.9"]
    assert found("") == [] and cuda_libraries([], "13") == []


@needs("linux")
def test_a_library_that_does_not_load_is_no_reason_to_stop_and_prints_nothing(tmp_path, monkeypatch, capfd, caplog):
    caplog.set_level(logging.DEBUG, "cad")
    (tmp_path / "cu13/lib").mkdir(parents=True)
    (tmp_path / "cu13/lib/libcublas.so.13").write_text("no library")
    monkeypatch.setattr(provider_options, "nvidia_folders", lambda: [tmp_path])
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    provider_options.load_cuda_libraries()
    assert capfd.readouterr() == ("", "") and "libcublas.so.13 does not load" in caplog.text
