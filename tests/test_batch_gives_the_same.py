# SPDX-License-Identifier: Apache-2.0
"""A batch gives for each file exactly what that file gives alone, whatever stands before it."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_media import DARK, RED, stand_in_for_faces, talk, write_video, write_wav
from requirements import needs

from cad.detector import Detector, Result
from cad.media import process as process_module

pytestmark = needs("linux")

#: The decoding process does by the name of the file what damaged memory does: it dies at once, it dies over the next
#: file, it fails in Python, its memory is used up little by little, it gives nonsense.
NASTY_BOOT = """
import os, sys; sys.path += sys.argv[4:]
import cad.media.worker as worker
def act(kind):
    if kind == 'die': os.kill(os.getpid(), 11)
    if kind == 'raise': raise RuntimeError('torn')
    if kind == 'memory': raise MemoryError
    if kind == 'nonsense': poisoned[0].send({'type': 'frame'})
poisoned, when = [None, ''], {}
def wrap(method):
    real = getattr(worker.FileJob, method)
    def job(self, *number):
        poisoned[0] = self._link._channel
        name = os.path.basename(self._name)
        if poisoned[1]: act(poisoned[1])
        parts = name.split('-')
        if parts[0] == 'now' and parts[1] == method: act(parts[2])
        real(self, *number)
        if parts[0] == 'later' and method != 'open': poisoned[1] = parts[2]
    setattr(worker.FileJob, method, job)
for method in ('open', 'sound', 'picture'): wrap(method)
worker.main(sys.argv[1:4])
"""


def png_with_profile(path: Path) -> Path:
    """Write what a screenshot is: a colour profile and an EXIF tag before the pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    exif = b"MM\0*\0\0\0\x08\0\1\x01\x1a\0\3\0\0\0\1\0\x90\0\0\0\0\0\0"
    pixels = zlib.compress(b"".join(b"\0" + bytes(range(200)) for _ in range(150)))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 200, 150, 8, 0, 0, 0, 0))
        + chunk(b"iCCP", b"Display P3\0\0" + zlib.compress(bytes(500)))
        + chunk(b"eXIf", exif)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Good files among nasty ones."""
    folder = tmp_path_factory.mktemp("batch")
    fake = write_video(folder / "fake.mp4", 2.4, RED, talk(2.4, 0.05))
    real = write_video(folder / "real.mp4", 2.4, DARK, talk(2.4, 0.05)).read_bytes()
    voice = write_wav(folder / "voice.wav", talk(2.4, 0.05))
    (folder / "half.mp4").write_bytes(real[: len(real) // 2])
    torn = bytearray(real)
    for at in np.random.default_rng(7).integers(1000, len(torn), 40):
        torn[at] ^= 0xFF
    (folder / "torn.mp4").write_bytes(torn)
    (folder / "letter.mp4").write_text("Dear Sir or Madam,\n" * 100)
    (folder / "empty.mp4").write_bytes(b"")
    for index in range(3):
        png_with_profile(folder / f"screenshot{index}.png")
    for faults in ("open-die", "sound-die", "picture-die", "sound-raise", "picture-memory"):
        (folder / f"now-{faults}-.mp4").write_bytes(fake.read_bytes())
    for kind in ("die", "raise", "memory", "nonsense"):
        (folder / f"later--{kind}-.wav").write_bytes(voice.read_bytes())
    return [*sorted(folder.iterdir()), folder / "missing.mp4"]


@pytest.fixture
def detector(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_in_for_faces(monkeypatch)
    monkeypatch.setattr(process_module, "_BOOT", NASTY_BOOT)
    return lambda: Detector(model=str(tiny_weights), threads=1)


def document(result: Result) -> dict[str, Any]:
    """Return what is said of a file but for the time it took."""
    return {key: value for key, value in result.to_dict().items() if key != "seconds"}


@pytest.mark.parametrize(
    "shuffles",
    [[(1, 1), (2, 3)], pytest.param([(seed, 1 + seed % 3) for seed in range(3, 11)], marks=pytest.mark.slow)],
)
def test_a_batch_gives_for_each_file_what_it_gives_alone(files, detector, shuffles):
    alone = {}
    for path in files:
        with detector() as one:
            (alone[path],) = map(document, one.detect_many([path]))
    assert alone[files[-1]]["error"]["code"] == "not_found"
    by_name = {path.name: found for path, found in alone.items()}
    assert by_name["fake.mp4"]["label"] == "fake" and by_name["real.mp4"]["label"] == "real"
    assert by_name["now-open-die-.mp4"]["error"]["code"] == "crashed"
    assert by_name["now-sound-die-.mp4"]["media"]["outcome"] == "crashed"
    assert by_name["now-sound-die-.mp4"]["label"] != "real"
    assert all(by_name[name]["label"] == "real" for name in by_name if name.startswith("later"))
    for seed, jobs in shuffles:
        order = random.Random(seed).sample(files, len(files))
        with detector() as many:
            for path, result in zip(order, many.detect_many(order, jobs), strict=True):
                assert document(result) == alone[path], (seed, jobs, path.name)
