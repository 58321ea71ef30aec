# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from cad.errors import OptionError
from cad.runtime import providers
from cad.runtime.providers import CPU, CUDA, both_runtimes_warning, check_active, choose_providers


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
    warning = both_runtimes_warning()
    assert warning is not None and "pip uninstall" in warning and "\n" not in warning
    monkeypatch.setattr(providers, "installed_version", lambda name: "1.0" if name == "onnxruntime" else None)
    assert both_runtimes_warning() is None
