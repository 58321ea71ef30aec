# SPDX-License-Identifier: Apache-2.0
"""The same draw gives the same bytes in every process: all codecs, forgers and treatments.

The second process begins with other memory (glibc fills what it hands out with a given byte, so that whatever reads
what nobody has written shows), another seed of hashes, the draws in reverse, and a busy processor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def digests(draws: int, order: str, memory: str, load: bool) -> dict[str, str]:
    words = [sys.executable, str(HERE / "sample_digests.py"), str(draws), order]
    paths = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    other = {"PYTHONPATH": paths, "PYTHONHASHSEED": memory, "MALLOC_PERTURB_": memory, "OMP_NUM_THREADS": "1"}
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * load)]
    try:
        done = subprocess.run(
            words, env={**os.environ, **other}, capture_output=True, text=True, timeout=1800, check=False
        )
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("draws", [24, pytest.param(96, marks=pytest.mark.slow)])
def test_two_processes_make_the_same_samples(draws: int) -> None:
    one = digests(draws, "forwards", "1", load=False)
    two = digests(draws, "backwards", "200", load=True)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    coded = {name.split(" #")[0].strip() for name in one if " #" in name}
    assert coded >= {"libx264 ultrafast", "libx264 superfast", "libx264 veryfast", "libvpx-vp9", "mpeg4", "mpeg1video"}
    assert coded >= {"aac 44100", "libmp3lame 24000", "libopus 48000", "ac3 48000", "g722 16000", "pcm_alaw 8000"}
    assert sum(name.startswith("sample") and value != "none" for name, value in one.items()) > draws * 0.8
