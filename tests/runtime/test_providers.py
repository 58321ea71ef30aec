# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from cad.errors import OptionError, WeightsError
from cad.runtime import providers
from cad.runtime.providers import CPU, CUDA, check_active, choose_providers, other_runtimes_warning
from cad.weights import find_entry, read_verified
from cad.weights.session import open_session


def test_auto_takes_cuda_where_it_is_and_the_cpu_where_it_is_not():
    assert choose_providers("auto", None, [CUDA, CPU]) == (CUDA, CPU)
    assert choose_providers("auto", None, [CPU]) == (CPU,)
    assert choose_providers("cpu", None, [CUDA, CPU]) == (CPU,)


def test_asking_for_cuda_where_it_is_absent_says_what_there_is_and_how_to_get_it():
    with pytest.raises(OptionError, match=r"only CPUExecutionProvider.*pip .*onnxruntime-gpu"):
        choose_providers("cuda", None, [CPU])


def test_an_unknown_provider_names_the_nearest():
    with pytest.raises(OptionError, match="CPUExecutionProvider"):
        choose_providers("auto", ["CPUExecutionProvide"], [CPU])


def test_an_unknown_device_is_refused():
    with pytest.raises(OptionError, match="auto, cpu, cuda"):
        choose_providers("tpu", None, [CPU])  # type: ignore[arg-type]


def test_a_silent_fall_back_is_an_error_only_for_those_who_insisted():
    with pytest.raises(OptionError, match="did not start"):
        check_active([CUDA, CPU], [CPU], insisted=True)
    assert check_active([CUDA, CPU], [CPU], insisted=False) == (CPU,)


def test_both_runtimes_at_once_are_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0")
    warning = other_runtimes_warning()
    assert warning is not None and "pip uninstall" in warning and "\n" not in warning
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0" if name == "onnxruntime" else None)
    assert other_runtimes_warning() is None


def test_a_session_that_does_not_start_prints_nothing_among_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Any, *providers: object) -> None:
        self._fallback_providers = ["CPUExecutionProvider"]
        raise RuntimeError("no thread starts")

    monkeypatch.setattr("onnxruntime.InferenceSession._create_inference_session", fail)
    with pytest.raises(WeightsError, match="no thread starts"):
        open_session(read_verified(find_entry("face_yunet_s2")), "tiny", ("CPUExecutionProvider",), 0)
    shown = capsys.readouterr()
    assert shown.out == "" and "EP Error no thread starts" in shown.err
