# SPDX-License-Identifier: Apache-2.0
"""The way of windows to a device, walked on the CPU: the same answers, from one thread and from several."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from made_media import DARK, RED, stand_in_for_faces, talk, write_video

from cad.detector import Detector
from cad.runtime import feeding, host_memory
from cad.runtime import providers as providers_module
from cad.runtime.feeding import BoundRuns, PlainRuns
from cad.runtime.gathering import Gathering
from cad.runtime.host_memory import host_buffer
from cad.runtime.providers import CPU, Traits
from cad.runtime.scorer import Scorer
from cad.runtime.session import OpenModel, open_model
from cad.weights import default_detector, find_entry, read_verified
from cad.windows import Window

#: A device in all but speed: batches, buffers and gathering as on a GPU, computed on the CPU.
LIKE_A_GPU = Traits(8, "cpu", True)


def windows_of(rng: np.random.Generator, count: int, slots: int = 12) -> list[Window]:
    """Return windows of noise; some lack picture or sound."""
    made = []
    for number in range(count):
        frames = rng.integers(0, 256, (slots, 160, 160, 3), np.uint8)
        audio = rng.uniform(-0.3, 0.3, slots * 640).astype(np.float32)
        seen, heard = np.full(slots, number % 3 != 1), np.full(slots, number % 3 != 2)
        made.append(Window(25 * number, number, frames, seen, audio, heard))
    return made


def opened(name: str) -> OpenModel:
    entry = find_entry(name)
    return open_model(read_verified(entry), entry.name, "cpu", threads=1)


def alike(one: Any, other: Any) -> None:
    """Check that two documents agree but for rounding, which depends on what stands beside a window in a batch."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            alike(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            alike(*pair)
    else:
        assert one == (pytest.approx(other, abs=2e-4) if isinstance(other, float) else other)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray], atol: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=atol, err_msg=name)


def test_bound_inputs_give_what_plain_calls_give_whatever_the_batch(tiny_weights, rng):
    session = opened(str(tiny_weights)).session
    plain, bound = PlainRuns(session), BoundRuns(session, "cpu")
    for count, slots in ((1, 12), (8, 12), (3, 20), (8, 12), (1, 12), (2, 13), (5, 14), (1, 15)):
        batch = windows_of(rng, count, slots)
        same(bound(batch), plain(batch))
    (lane,) = bound._lanes
    assert len(lane._values) == feeding._KEPT_SHAPES
    assert {name: len(buffer) for name, buffer in lane._buffers.items()}["frames"] == 8 * 12 * 160 * 160 * 3


@pytest.mark.slow
def test_the_packaged_model_says_the_same_by_bound_inputs(rng):
    session = opened(default_detector().name).session
    batch = windows_of(rng, 3)
    same(BoundRuns(session, "cpu")(batch), PlainRuns(session)(batch), atol=1e-5)


def test_threads_that_share_one_session_get_what_each_gets_alone(tiny_weights, rng):
    scorer = Scorer(str(tiny_weights), threads=1)
    batches = [windows_of(rng, 1 + number % 3) for number in range(12)]
    alone = [scorer.run(batch) for batch in batches]
    bound = BoundRuns(opened(str(tiny_weights)).session, "cpu")
    for run in (scorer.run, bound, Gathering(bound, 8)):
        with ThreadPoolExecutor(4) as threads:
            for found, expected in zip(threads.map(run, batches), alone, strict=True):
                same(found, expected, atol=1e-6)
    assert 1 <= len(bound._lanes) <= 5


def test_a_lane_that_failed_is_not_used_again(tiny_weights, rng):
    bound = BoundRuns(opened(str(tiny_weights)).session, "cpu")
    good = windows_of(rng, 2)
    same_shapes = bound(good)
    bad = Window(
        0, 0, np.zeros((12, 160, 160, 4), np.uint8), good[0].frames_present, good[0].audio, good[0].audio_present
    )
    with pytest.raises(Exception, match="frames"):
        bound([bad])
    assert bound._lanes == []
    same(bound(good), same_shapes)


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers_module.TRAITS, CPU, LIKE_A_GPU)  # type: ignore[arg-type]


def test_a_batch_of_clips_on_a_device_gives_what_the_cpu_gives(tiny_weights, tmp_path, monkeypatch, rng):
    stand_in_for_faces(monkeypatch)
    clips = [
        write_video(tmp_path / f"{number}.mp4", 2.0 + 0.6 * number, colour, talk(2.6, 0.1, number))
        for number, colour in enumerate([RED, DARK, RED, DARK])
    ]
    clips.insert(2, tmp_path / "missing.mp4")

    def documents(jobs: int) -> list[dict[str, object]]:
        with Detector(model=str(tiny_weights), threads=1) as detector:
            found = [result.to_dict() for result in detector.detect_many(clips, jobs)]
        return [{key: value for key, value in one.items() if key != "seconds"} for one in found]

    expected = documents(1)
    sizes: list[int] = []
    run = BoundRuns.__call__
    monkeypatch.setattr(BoundRuns, "__call__", lambda self, batch: sizes.append(len(batch)) or run(self, batch))
    monkeypatch.setitem(providers_module.TRAITS, CPU, LIKE_A_GPU)  # type: ignore[arg-type]
    for found in (documents(1), documents(4)):
        alike(found, expected)
    assert [one.get("label") for one in expected].count("fake") == 2 and "error" in expected[2]
    assert sizes and max(sizes) <= LIKE_A_GPU.batch_windows


def test_closing_a_batch_on_a_device_ends_it(like_a_gpu, tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    clip = write_video(tmp_path / "a.mp4", 3.0, RED, talk(3.0))
    with Detector(model=str(tiny_weights), threads=1) as detector:
        results = detector.detect_many([clip] * 12, jobs=3)
        assert next(results).error is None
        results.close()
        assert not detector._scorer._runner()._state.waiting and not detector._scorer._runner()._state.is_running
        assert detector.detect(clip).label == "fake"


def test_a_buffer_that_cannot_be_locked_is_a_buffer_all_the_same(monkeypatch, caplog):
    class Runtime:
        def __init__(self, refuses: int) -> None:
            self.refuses, self.locked = refuses, 0

        def cudaHostRegister(self, *its: object) -> int:  # noqa: N802
            self.locked += not self.refuses
            return self.refuses

        def cudaHostUnregister(self, *its: object) -> int:  # noqa: N802
            self.locked -= 1
            return 0

    caplog.set_level(logging.DEBUG, "cad")
    for runtime in (Runtime(0), Runtime(2)):
        monkeypatch.setattr(host_memory.ctypes, "CDLL", lambda name, runtime=runtime: runtime)
        buffer = host_buffer(1000, is_for_cuda=True)
        part = buffer[:100].view(np.float32)
        assert runtime.locked == (0 if runtime.refuses else 1)
        del buffer
        part[:] = 1.0
        assert runtime.locked == (0 if runtime.refuses else 1)  # a part of it is still there
        del part
        assert runtime.locked == 0
    assert "error 2" in caplog.text

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(host_memory.ctypes, "CDLL", missing)
    assert len(host_buffer(10, is_for_cuda=True)) == 10 and len(host_buffer(0, is_for_cuda=False)) == 1


def test_how_a_model_is_run_follows_from_what_runs_it(monkeypatch, tiny_weights):
    assert isinstance(Scorer(str(tiny_weights), device="cpu")._runner(), PlainRuns)
    monkeypatch.setitem(providers_module.TRAITS, CPU, LIKE_A_GPU)  # type: ignore[arg-type]
    scorer = Scorer(str(tiny_weights), device="cpu")
    assert scorer.batch_windows == 8 and isinstance(scorer._runner(), Gathering)
