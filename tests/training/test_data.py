# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cad.data.shards import ClipStore
from cad.errors import DataError, OptionError
from cad.training.batches import Sample
from cad.training.data import CadData
from cad.training.draw import Mix
from cad.training.loader import BatchNumbers, ResumableLoader
from cad.training.train_samples import ForgeOptions, WindowLengths
from cad.training.val_samples import Part, ValSamples


def make_data(shards: Path, **options: Any) -> CadData:
    data = CadData([str(shards)], batch_size=4, workers=0, lengths=WindowLengths(20, 12, 0.5), **options)
    data.setup("fit")
    return data


def assert_same(a: Sample, b: Sample) -> None:
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), err_msg=field.name)


def test_a_sample_depends_on_its_number_alone(shards: Path) -> None:
    one, two = make_data(shards, seed=3).train_samples(), make_data(shards, seed=3).train_samples()
    later = {number: one[number] for number in (5, 2)}
    for number in (2, 5):
        assert_same(two[number], later[number])
    assert one[2].key != one[5].key or not np.array_equal(one[2].audio, one[5].audio)
    other = make_data(shards, seed=4).train_samples()
    assert any(
        one[number].key != other[number].key or one[number].method != other[number].method for number in range(6)
    )


def test_every_kind_of_sample_comes_with_fitting_labels(shards: Path) -> None:
    samples = make_data(shards, augment=False).train_samples()
    seen: Counter[str] = Counter()
    for number in range(60):
        sample = samples[number]
        face, fake = bool(sample.frames_present.any()), sample.clip_labels[0] == 1
        seen[f"{'face' if face else 'speech'} {'fake' if fake else 'genuine'}"] += 1
        assert sample.key.startswith("av/train" if face else "speech/train")
        if "_fake_" in sample.key:
            assert fake and sample.method == "made"
        elif sample.method == "real":
            assert sample.clip_labels[0] == 0
    assert set(seen) == {"face fake", "face genuine", "speech fake", "speech genuine"}


def test_shifts_are_cut_from_the_clip_and_not_rolled(shards: Path) -> None:
    mix = Mix(0, 1, 0, 0, 0, 0)
    data = make_data(shards, augment=False, mix=mix, forging=ForgeOptions({"shift": 1.0}, 0.0))
    samples = data.train_samples()
    store = ClipStore(shards)
    shifted = [sample for sample in (samples[number] for number in range(10)) if sample.method == "shift"]
    assert shifted
    for sample in shifted:
        whole = store.read(sample.key).audio
        assert whole is not None
        heard = sample.audio[: int(sample.audio_present.sum()) * 640]
        found = np.correlate(whole, heard, "valid")
        start = int(np.argmax(found / np.sqrt(np.convolve(whole**2, np.ones(len(heard)), "valid") + 1e-9)))
        np.testing.assert_allclose(whole[start : start + len(heard)], heard, atol=1e-6)
        assert abs(sample.offset_seconds) >= 0.08 and sample.clip_labels.tolist() == [1, 0, 0, 1]


def test_one_stream_alone_is_judged_by_its_own_truth(shards: Path) -> None:
    data = make_data(shards, streams=("audio",), mix=Mix(0.5, 0, 0.5, 0, 0, 0), augment=False)
    samples = data.train_samples()
    for number in range(8):
        sample = samples[number]
        assert not sample.frames_present.any() and sample.clip_labels[1] == -1
        assert sample.clip_labels[2] == float("_fake_" in sample.key)
    assert all(not item.row.path.startswith("speech") for item in make_data(shards, streams=("video",)).fixed_windows())


def test_held_out_sources_leave_train_and_are_judged(shards: Path) -> None:
    data = make_data(shards, held_out_sources=["av_page1"])
    assert all(row.source != "av_page1" for row in data.train_rows)
    judged = {row.path for row in data.judged_rows}
    assert "av/train_real_1" in judged and "av/val_real_1" in judged and "av/train_real_0" not in judged
    with pytest.raises(OptionError, match=r"no source nowhere; there are: av_page0, av_page1"):
        make_data(shards, held_out_sources=["nowhere"])


def test_validation_pairs_one_window_with_the_wrong_sound(shards: Path) -> None:
    data = make_data(shards)
    items = [item for item in data.fixed_windows() if item.row.path == "av/val_real_0"]
    together, shifted, other = (next(item for item in items if item.part is part) for part in list(Part)[1:])
    samples = ValSamples(ClipStore(shards), [together, shifted, other], 20, ("video", "audio"))
    a, b, c = (samples[number] for number in range(3))
    np.testing.assert_array_equal(a.frames, b.frames)
    np.testing.assert_array_equal(a.frames, c.frames)
    assert [s.clip_labels[3] for s in (a, b, c)] == [0, 1, 1]
    assert b.offset_seconds == pytest.approx(shifted.shift / 25) and abs(shifted.shift) >= 5
    lag = abs(shifted.shift) * 640
    earlier, later = (b.audio, a.audio) if shifted.shift < 0 else (a.audio, b.audio)
    used = int(a.audio_present.sum()) * 640
    np.testing.assert_array_equal(later[lag:used], earlier[: used - lag])
    assert data.fixed_windows() == make_data(shards).fixed_windows()


def test_the_loader_goes_on_where_it_stopped(shards: Path) -> None:
    samples = make_data(shards, augment=False).train_samples()
    whole = [batch.key for batch in ResumableLoader(samples, BatchNumbers(4, 2), 0, False)]
    first = ResumableLoader(samples, BatchNumbers(4, 2), 0, False)
    iterator = iter(first)
    begun = [next(iterator).key, next(iterator).key]
    again = ResumableLoader(samples, BatchNumbers(4, 2), 0, False)
    again.load_state_dict(first.state_dict())
    assert begun + [batch.key for batch in again] == whole
    assert again.state_dict() == {"handed_out": 4}


def test_bad_options_are_refused(shards: Path) -> None:
    with pytest.raises(OptionError, match="batches must be at least 1"):
        CadData([str(shards)], batches=0)
    with pytest.raises(OptionError, match="not all 0"):
        Mix(0, 0, 0, 0, 0, 0)
    with pytest.raises(DataError, match="no training row for samples of kind genuine_speech"):
        make_data(shards, streams=("video",), mix=Mix(0, 0, 0, 1, 0, 0)).train_samples()
