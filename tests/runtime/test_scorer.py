# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from requirements import needs
from tiny_model import tiny_onnx, tiny_spec, write_weights

from cad.errors import (
    OptionError,
    SpecMismatchError,
    WeightsError,
    WeightsIntegrityError,
    WeightsNotFoundError,
)
from cad.runtime.scorer import Scorer
from cad.runtime.session import open_model
from cad.windows import Window


def window(slots: int = 50, red: int = 160, green: int = 128, level: float = 0.1, **changes: object) -> Window:
    frames = np.zeros((slots, 160, 160, 3), np.uint8)
    frames[..., 0], frames[..., 1] = red, green
    values: dict[str, object] = {
        "first_slot": 0,
        "track_id": 0,
        "frames": frames,
        "frames_present": np.ones(slots, bool),
        "audio": np.full(slots * 640, level, np.float32),
        "audio_present": np.ones(slots, bool),
    }
    return Window(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scorer(tiny_weights):
    return Scorer(str(tiny_weights))


def test_scores_are_what_the_graph_says_in_the_order_of_the_windows(scorer):
    windows = [window(red=128 + 8 * step, slots=slots) for step, slots in enumerate([50, 50, 20, 50, 50, 50, 50, 50])]
    scores = scorer.score(windows)
    assert [score.slots for score in scores] == [50, 50, 20, 50, 50, 50, 50, 50]
    np.testing.assert_allclose([score.logits["video"] for score in scores], np.arange(8) / 4, atol=1e-5)
    np.testing.assert_allclose([score.logits["audio"] for score in scores], 2.0, atol=1e-4)
    assert scores[2].frame_logits["video"].shape == (20,)


def test_a_window_scores_the_same_alone_and_in_a_batch(scorer):
    windows = [window(red=red) for red in (10, 100, 200, 250, 30)]
    together = scorer.score(windows)
    for one, score in zip(windows, together, strict=True):
        assert scorer.score([one])[0].logits == pytest.approx(score.logits, abs=1e-5)


def test_a_stream_that_is_too_thin_is_left_out_whole(scorer):
    thin = np.arange(50) < 5
    score = scorer.score([window(audio_present=thin)])[0]
    assert not score.has_audio
    assert score.logits["audio"] == 0.0
    score = scorer.score([window(frames_present=thin)])[0]
    assert not score.has_video
    assert score.logits["video"] == 0.0


def test_a_view_without_memory_serves_as_a_missing_picture(scorer):
    empty = np.broadcast_to(np.uint8(0), (50, 160, 160, 3))
    score = scorer.score([window(frames=empty, frames_present=np.zeros(50, bool), track_id=None)])[0]
    assert score.logits["audio"] == pytest.approx(2.0, abs=1e-4)


def test_spec_and_hash_are_those_of_the_file(scorer, tiny_weights):
    assert scorer.spec == tiny_spec()
    assert scorer.entry.path.parent == tiny_weights
    assert scorer.providers == ("CPUExecutionProvider",)


def test_a_changed_byte_is_refused_before_anything_runs(tmp_path):
    folder = write_weights(tmp_path / "bent", tiny_onnx(tiny_spec()))
    content = bytearray((folder / "model.onnx").read_bytes())
    content[100] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(WeightsIntegrityError, match="sha256"):
        Scorer(str(folder))


def test_a_graph_without_a_spec_is_refused(tmp_path):
    folder = write_weights(tmp_path / "speechless", tiny_onnx(None))
    with pytest.raises(SpecMismatchError, match=r"cad\.spec"):
        Scorer(str(folder))


def test_a_spec_of_another_version_is_refused(tmp_path):
    folder = write_weights(tmp_path / "late", tiny_onnx(tiny_spec(version=99)))
    with pytest.raises(SpecMismatchError, match="99"):
        Scorer(str(folder))


def test_a_graph_that_lacks_an_output_is_refused_by_its_name(tmp_path):
    folder = write_weights(tmp_path / "partial", tiny_onnx(tiny_spec(), drop_output="sync_logit"))
    with pytest.raises(SpecMismatchError, match="sync_logit"):
        Scorer(str(folder))


def test_bytes_that_are_no_graph_are_a_weights_error(tmp_path):
    folder = write_weights(tmp_path / "noise", b"not a graph")
    with pytest.raises(WeightsError, match="not an ONNX file"):
        Scorer(str(folder))
    folder = write_weights(tmp_path / "empty_graph", b"\x08\x0a\x3a\x00")
    with pytest.raises(WeightsError, match="cannot load"):
        Scorer(str(folder))


def test_face_weights_are_not_taken_for_a_detector(tmp_path):
    folder = write_weights(tmp_path / "face", tiny_onnx(tiny_spec()), kind="face")
    with pytest.raises(SpecMismatchError, match="face"):
        Scorer(str(folder))


def test_unknown_weights_and_bad_threads_are_named():
    with pytest.raises(WeightsNotFoundError, match="no_such"):
        Scorer("no_such")


def test_negative_threads_are_refused(tiny_weights):
    with pytest.raises(OptionError, match="threads"):
        Scorer(str(tiny_weights), threads=-1)


@needs("cpu_runtime")
def test_cuda_without_cuda_is_a_clear_error(tiny_weights):
    with pytest.raises(OptionError, match="cuda"):
        Scorer(str(tiny_weights), device="cuda")


def test_nothing_is_sent_or_written_by_the_runtime(tiny_weights, tmp_path):
    # ONNX Runtime for Linux sends telemetry from its import on, and leaves a session file and a device id.
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    code = f"from cad.runtime.scorer import Scorer; Scorer({str(tiny_weights)!r})"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


@needs("weights")
def test_packaged_weights_that_are_opened_later_are_known_at_once_and_say_the_same(monkeypatch):
    now, windows = Scorer(), [window(red=60), window(slots=30)]
    go_on = threading.Event()

    def wait_and_open(*given, **named):
        assert go_on.wait(10)
        return open_model(*given, **named)

    monkeypatch.setattr("cad.runtime.scorer.open_model", wait_and_open)
    later = Scorer(opens_later=True)
    assert (later.spec, later.entry, later.providers) == (now.spec, now.entry, now.providers)
    go_on.set()
    assert later.score(windows) == now.score(windows)


@needs("weights")
def test_packaged_weights_that_do_not_open_are_told_to_whoever_scores(monkeypatch):
    def fail(*given, **named):
        raise WeightsError("no memory")

    monkeypatch.setattr("cad.runtime.scorer.open_model", fail)
    scorer = Scorer(opens_later=True)
    for _ in range(2):
        with pytest.raises(WeightsError, match="no memory"):
            scorer.score([window()])


def test_weights_of_ones_own_are_never_opened_later(tiny_weights, monkeypatch):
    def fail(*given, **named):
        raise WeightsError("not runnable")

    monkeypatch.setattr("cad.runtime.scorer.open_model", fail)
    with pytest.raises(WeightsError, match="not runnable"):
        Scorer(str(tiny_weights), opens_later=True)
