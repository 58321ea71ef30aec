# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from requirements import require


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit of the packaged model, with its reference vectors."""
    require("train")
    from cad.export.embedding.kit import write_kit

    folder = tmp_path_factory.mktemp("kit") / "kit"
    write_kit(None, folder)
    return folder
