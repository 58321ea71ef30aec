# SPDX-License-Identifier: Apache-2.0
"""What a large file took is the system's again afterwards, so that the next one has all that is promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from requirements import needs

MIB = 1 << 20
#: Judges a still again and again, and prints by how many bytes the process has grown since before the first.
CODE = """
import os, sys
from pathlib import Path
from cad.detector import Detector
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
with Detector(model=sys.argv[1]) as detector:
    detector.detect(sys.argv[2])  # what is loaded with the first file stays
    before = held()
    for _ in range(3):
        detector.detect(sys.argv[3])
    print(held() - before)
"""


@needs("linux")
def test_a_large_still_leaves_nothing_behind(tiny_weights: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (250, 250, 3), np.uint8)
    for name, side in (("small.jpg", 250), ("large.jpg", 8000)):
        cv2.imwrite(str(tmp_path / name), cv2.resize(noise, (side, side), interpolation=cv2.INTER_NEAREST))
    stills = [str(tmp_path / "small.jpg"), str(tmp_path / "large.jpg")]
    command = [sys.executable, "-c", CODE, str(tiny_weights), *stills]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 24 * MIB
