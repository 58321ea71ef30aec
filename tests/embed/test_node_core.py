# SPDX-License-Identifier: Apache-2.0
"""The JavaScript core of the embedded programs says the same as the package, part by part (node's own test runner)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from core_cases import write_cases
from requirements import needs

pytestmark = [pytest.mark.slow, needs("node", "train")]


def test_javascript_core_says_what_the_package_says(tmp_path):
    write_cases(tmp_path)
    core = Path(__file__).with_name("core.test.mjs")
    environment = os.environ | {"CAD_CASES": str(tmp_path)}
    ran = subprocess.run(
        ["node", "--test", str(core)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "# pass 12" in ran.stdout and "# skipped 0" in ran.stdout
