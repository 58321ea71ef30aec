# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tool_module import load_tool
from torch import Tensor

from cad.data.forge import DonorPool, Stream
from cad.data.manifest import Row, manifest_of_clips
from cad.data.shards import ClipStore
from cad.models.encoders.interfaces import FaceEncoder, SpeechEncoder
from cad.training.batches import Sample
from cad.training.forgery_ablation.folds import folds_of_sources
from cad.training.forgery_ablation.gathering import Gathered, Plan, gather
from cad.training.forgery_ablation.left_out import left_out_scores
from cad.training.forgery_ablation.measuring import ablation_markdown, measure_ablation
from cad.training.forgery_ablation.statistics import kept, statistics_by
from cad.training.forgery_ablation.windows import Windows, forged_rows, genuine_rows, kinds_of


def rows_in(store: ClipStore) -> list[Row]:
    return manifest_of_clips(store, "made").records()


def made_windows(store: ClipStore, stream: Stream) -> Windows:
    return Windows(store, stream, 25, lambda row: DonorPool(), seed=0)


@pytest.mark.parametrize(("stream", "kind"), [(Stream.VIDEO, "coarse_face"), (Stream.AUDIO, "griffin_lim")])
def test_twins_differ_in_the_forgery_alone(
    shards: Path, stream: Stream, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cad.training.forgery_ablation import windows as module

    seen: list[tuple[str, float, NDArray[np.float32] | None]] = []

    def noted(labeled, rng):  # type: ignore[no-untyped-def]
        seen.append((labeled.methods[0], rng.random(), labeled.clip.points_px))
        return dataclasses.replace(labeled)

    monkeypatch.setattr(module, "augment", noted)
    store = ClipStore(shards)
    row = genuine_rows(store, rows_in(store), stream)[0]
    windows = made_windows(store, stream)
    genuine, forged = windows.treated(row), windows.forged(row, kind)
    assert genuine is not None and forged is not None
    head = 1 if stream is Stream.VIDEO else 2
    assert (genuine.clip_labels[head], forged.clip_labels[head]) == (0, 1)
    assert [name for name, *_ in seen] == ["real", kind]
    assert seen[0][1] == seen[1][1], "the treatment must be the same"
    if stream is Stream.VIDEO:
        np.testing.assert_array_equal(genuine.frames[:, :8], forged.frames[:, :8], "the same window, outside the face")
        assert (genuine.frames != forged.frames).any()
    again = windows.forged(row, kind)
    assert again is not None
    np.testing.assert_array_equal(again.frames, forged.frames)
    np.testing.assert_array_equal(again.audio, forged.audio)


def test_kinds_belong_to_their_stream() -> None:
    picture, voice = kinds_of(Stream.VIDEO), kinds_of(Stream.AUDIO)
    assert {"self_blend", "mouth_time", "autoencoder"} <= set(picture)
    assert {"griffin_lim", "splice", "neural_vocoder"} <= set(voice)
    assert not {"shift", "silence", "other_speaker"} & {*picture, *voice}


def test_rows_are_chosen_by_what_is_fake_in_the_stream(shards: Path) -> None:
    store = ClipStore(shards)
    rows = [dataclasses.replace(row, video_fake=0) if row.path == "av/train_fake_0" else row for row in rows_in(store)]
    assert "av/train_fake_0" in {row.path for row in forged_rows(store, rows, Stream.AUDIO)}
    assert "av/train_fake_0" not in {row.path for row in forged_rows(store, rows, Stream.VIDEO)}
    assert {row.path[:2] for row in genuine_rows(store, rows, Stream.VIDEO)} == {"av"}


def test_statistics_are_computed_once_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    path, asked = tmp_path / "kept.npz", list[str]()

    def compute(key: str) -> NDArray[np.float32] | None:
        asked.append(key)
        if key == "29":
            raise KeyboardInterrupt
        return None if key == "1" else np.full(3, int(key), np.float32)

    with pytest.raises(KeyboardInterrupt):
        kept(path, [str(number) for number in range(30)], compute)
    asked.clear()
    found = kept(path, ["0", "1", "2", "26"], compute)
    assert asked == ["26"], "25 were saved before the run was stopped"
    assert {key: float(values[0]) for key, values in found.items()} == {"0": 0, "2": 2, "26": 26}


class _Colour(FaceEncoder):
    width = 3

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        return frames.float().mean((2, 3)), frames_present


class _Loudness(SpeechEncoder):
    width, tokens_per_slot = 1, 2

    def forward(self, audio: Tensor, audio_present: Tensor) -> Tensor:
        return audio.reshape(len(audio), -1, 320).abs().mean(2, keepdim=True)


@pytest.mark.parametrize(("stream", "encoder"), [(Stream.VIDEO, _Colour()), (Stream.AUDIO, _Loudness())])
def test_gathering_keeps_to_train_rows_and_makes_every_kind(
    shards: Path, tmp_path: Path, stream: Stream, encoder: FaceEncoder | SpeechEncoder,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.delenv("CAD_FORGERS", raising=False)
    caplog.set_level("INFO", "cad")
    store = ClipStore(shards)
    plan = Plan(stream, 25, per_source=4, folds=2)
    statistics = statistics_by(encoder)
    gathered = gather(store, rows_in(store), plan, statistics, tmp_path)
    assert all(row.split == "train" for row in gathered.rows)
    assert gathered.plain and gathered.forged and len(gathered.kinds) >= 5
    assert set().union(*gathered.kinds.values()) <= set(gathered.genuine)
    assert "is passed over: CAD_FORGERS" in caplog.text

    def nothing(sample: Sample) -> NDArray[np.float32]:
        raise AssertionError("computed twice")

    again = gather(store, rows_in(store), plan, nothing, tmp_path)
    assert {kind: set(known) for kind, known in again.kinds.items()} == {
        kind: set(known) for kind, known in gathered.kinds.items()
    }


def test_folds_have_both_classes() -> None:
    genuine = [_row(f"g{n}", source, False) for source in "abcd" for n in range(5)]
    forged = [_row(f"f{n}", source, True) for source in "cdefgh" for n in range(3)]
    fold_of = folds_of_sources(genuine, forged, 3)
    assert {fold_of[row.source] for row in genuine} == {fold_of[row.source] for row in forged} == {0, 1, 2}


def _row(path: str, source: str, fake: bool, identity: str = "", video: int = -1) -> Row:
    method = "made" if fake else "real"
    return Row(f"{source}/{path}", int(fake), video, int(fake), method, identity=identity, source=source, split="train")


@pytest.fixture
def planted(rng: np.random.Generator) -> Gathered:
    """Forged rows are shifted along axis 0; the kind ``same`` is, too, ``other`` along axis 1 and ``none`` nowhere."""
    real = [_row(f"r{n}", f"s{n % 4}", False, f"p{n}") for n in range(80)]
    fake = [_row(f"f{n}", f"s{n % 4}", True) for n in range(80)]

    def drawn(rows: list[Row], shift: Callable[[], list[float]]) -> dict[str, NDArray[np.float32]]:
        return {row.path: (rng.standard_normal(3) + shift()).astype(np.float32) for row in rows}

    return Gathered(
        rows=(*real, *fake),
        fold_of={f"s{n}": n % 2 for n in range(4)},
        plain=drawn(real, lambda: [0, 0, 0]) | drawn(fake, lambda: [2, 0, 0]),
        genuine=drawn(real, lambda: [0, 0, 0]),
        forged=drawn(fake, lambda: [2, 0, 0]),
        kinds={
            "same": drawn(real, lambda: [2, 0, 0]),
            "other": drawn(real, lambda: [0, 3, 0]),
            "none": drawn(real, lambda: [0, 0, 0]),
        },
    )


def test_the_kind_that_resembles_the_rows_is_worth_most(planted: Gathered) -> None:
    ablation = measure_ablation(planted, strength=1e-2, resamples=100)
    by_kind = {one.kind: one for one in ablation.kinds}
    assert by_kind["same"].alone.value > 0.85 > 0.7 > by_kind["none"].alone.value
    assert by_kind["other"].itself.value > 0.9 > 0.65 > by_kind["none"].itself.value
    assert by_kind["same"].adds is not None and by_kind["same"].adds.low > 0
    assert by_kind["none"].adds is not None and abs(by_kind["none"].adds.value) < 0.05
    assert ablation.rows_alone.value > 0.85
    text = ablation_markdown(ablation)
    assert "80 forged rows of 4 sources against 80 genuine ones" in text
    assert text.count("| same |") == text.count("| none |") == 1


def test_nothing_of_a_source_that_is_scored_is_fitted_on(planted: Gathered) -> None:
    (expected,) = left_out_scores(planted, planted.rows, [planted.plain], [[planted.kinds["same"]]], 1e-2)
    folds = np.array([planted.fold_of[row.source] for row in planted.rows])
    spoilt = {
        path: values + (100 if planted.fold_of[path.split("/")[0]] == 0 else 0)
        for path, values in planted.kinds["same"].items()
    }
    (scores,) = left_out_scores(planted, planted.rows, [planted.plain], [[spoilt]], 1e-2)
    np.testing.assert_array_equal(scores[folds == 0], expected[folds == 0])
    assert (scores[folds == 1] != expected[folds == 1]).all()


def test_a_person_that_is_scored_is_not_fitted_on(planted: Gathered) -> None:
    twin = dataclasses.replace(planted.rows[0], path="s1/twin", source="s1")
    (expected,) = left_out_scores(planted, planted.rows, [planted.plain], [[planted.kinds["same"]]], 1e-2)
    more = dataclasses.replace(
        planted,
        rows=(*planted.rows, twin),
        genuine={**planted.genuine, twin.path: np.full(3, 50, np.float32)},
    )
    (scores,) = left_out_scores(more, planted.rows, [more.plain], [[more.kinds["same"]]], 1e-2)
    np.testing.assert_array_equal(scores, expected)


def test_synthetic_speech_is_nobody() -> None:
    assert _row("a", "s", True, "lj").person == ""
    assert _row("a", "s", True, "ann", video=1).person == "ann"
    assert _row("a", "s", False, "lj").person == "lj"
    assert _row("a", "s", False, "unknown").person == ""


def test_the_tool_says_what_it_does_and_plans_the_streams_asked_for() -> None:
    tool = load_tool("training/forgery_ablation")
    parser = tool.arguments()
    assert "sources that are left out" in parser.format_help()
    options = parser.parse_args(["--shards", "a.tar", "--out", "b", "--streams", "audio", "--voices-per-source", "3"])
    assert tool.plans(options) == [Plan(Stream.AUDIO, 50, 3)]
