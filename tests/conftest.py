# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The hooks that turn requirements into skips or failures.
from requirements import pytest_configure, pytest_runtest_setup, require, shared_data_folder  # noqa: F401

# A busy machine is no reason to fail.
settings.register_profile("cad", deadline=None)
settings.load_profile("cad")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's training clips, or a skip that says so: a stranger does not have them."""
    require("shared")
    return shared_data_folder()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights whose answers can be worked out by hand (tests/tiny_model.py)."""
    from tiny_model import NAME, tiny_onnx, tiny_spec, write_weights

    return write_weights(tmp_path_factory.mktemp("weights") / NAME, tiny_onnx(tiny_spec()), figures={"auc": 0.5})
