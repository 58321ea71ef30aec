# SPDX-License-Identifier: Apache-2.0
"""OpenCV maps FFmpeg's libraries into the analysing process, which never lets it parse anything."""

from __future__ import annotations

import re
from pathlib import Path

import cad

CORE = Path(cad.__file__).parent
#: What only computes on arrays, and the encoder for the report's pictures.
ALLOWED = {"resize", "warpAffine", "cvtColor", "blur", "Laplacian", "LUT", "norm", "imencode"}


def test_the_core_calls_opencv_for_arithmetic_alone() -> None:
    files = [*CORE.glob("*.py"), *(file for name in ("faces", "media", "report", "runtime", "verdict", "weights")
                                   for file in (CORE / name).rglob("*.py"))]  # fmt: skip
    used = {name for file in files for name in re.findall(r"\bcv2\.([A-Za-z]\w*)", file.read_text(encoding="utf-8"))}
    assert "resize" in used
    assert {name for name in used if name == "LUT" or not name.isupper()} <= ALLOWED
    for file in files:
        assert "from cv2" not in file.read_text(encoding="utf-8")
