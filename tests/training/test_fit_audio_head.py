# SPDX-License-Identifier: Apache-2.0
"""The audio head on kept statistics: windows are those of the product, and the head learns what tells them apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import made_clip
from jsonargparse import ArgumentParser
from tiny_cad import tiny_small

from cad.data.shards import ClipStore
from cad.media.records import AudioSamples
from cad.models import CadModel
from cad.models.checkpoint import load_checkpoint
from cad.models.standardize import SETTLING_BATCHES
from cad.speech import keep_speech
from cad.training.audio_head import KEPT_PARTS, auc_left_out, fit_audio_head, source_groups
from cad.training.data import CadData
from cad.training.packaged import TRAINING_ONLY
from cad.training.start import StartFrom, load_parts
from cad.training.voice_fit import FitOptions, draw_weights, fit_head, pairs_of
from cad.training.voice_windows import VoiceWindows, cut_voice, settle_tokens, voice_windows
from cad.windows import WindowCutter

ROOT = Path(__file__).resolve().parents[2]


def test_its_configuration_names_what_the_tool_takes() -> None:
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(fit_audio_head)
    options = parser.parse_args(["--config", str(ROOT / "configs" / "train" / "audio_head.yaml")])
    assert options.left_out_groups == 8 and list(options.data.init_args.streams) == ["audio"]


def test_windows_are_those_that_the_product_cuts(rng: np.random.Generator) -> None:
    clip = made_clip("one", rng, "somebody", "page", face=False)
    audio = np.concatenate([np.zeros(7 * 640, np.float32), *[clip.audio] * 3])
    long = type(clip)(**{name: getattr(clip, name) for name in clip.__dataclass_fields__} | {
        "audio": audio, "audio_present": np.ones(len(audio) // 640, bool),
        "frames_present": np.zeros(len(audio) // 640, bool)})  # fmt: skip
    cut = list(cut_voice(long, 50))
    expected = list(WindowCutter(keep_speech(AudioSamples(audio, long.audio_present)), 50, 25, 10).flush())
    assert len(cut) == len(expected) >= 3
    for (start, sound), window in zip(cut, expected, strict=True):
        assert start == window.first_slot >= 7
        np.testing.assert_array_equal(sound.samples, window.audio)
        np.testing.assert_array_equal(sound.present, window.audio_present)


def test_statistics_are_those_of_the_net_and_are_kept(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = tiny_small(), CadData(shards=[str(shards)], streams=("audio",))
    data.setup("fit")
    assert data.store is not None
    rows = data.train_rows
    settle_tokens(net, data.store, rows, seed=0)
    assert net.standardize_speech.mean.any() and int(net.standardize_speech.batches) == SETTLING_BATCHES
    found = voice_windows(net, data.store, rows, tmp_path, seed=0)
    assert set(found.row.tolist()) == set(range(len(rows)))
    pairs = zip(found.row.tolist(), found.label.tolist(), strict=True)
    assert {(rows[row].audio_fake, label) for row, label in pairs} == {(0, 0.0), (1, 1.0)}
    (_, sound), *_ = cut_voice(data.store.read(rows[0].path), 50)
    inputs = torch.from_numpy(sound.samples)[None], torch.from_numpy(sound.present)[None].float()
    with torch.no_grad():
        tokens = net.standardize_speech(net.speech_encoder(*inputs), inputs[1].repeat_interleave(2, dim=1))
        whole, _ = net.audio_head.statistics(tokens, inputs[1])
    torch.testing.assert_close(found.clip[0].float(), whole[0], rtol=2e-3, atol=2e-3)

    monkeypatch.setattr(ClipStore, "read", None)  # nothing is read again
    again = voice_windows(net, data.store, rows, tmp_path, seed=0)
    assert torch.equal(again.clip, found.clip) and torch.equal(again.slot_label, found.slot_label)


def separable(count: int, width: int) -> VoiceWindows:
    label = (torch.arange(count) % 2).float()
    clip = torch.randn(count, width)
    clip[:, 0] += 4 * label
    return VoiceWindows(clip.half(), label, clip.half(), label, torch.arange(count))


def test_the_head_learns_what_tells_statistics_apart_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    net = tiny_small().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    head = net.audio_head
    known = separable(200, head.hidden[0].in_features)
    sources, faces = [f"page {row // 2 % 3}" for row in range(200)], [row % 3 == 0 for row in range(200)]
    fit_head(head, known, sources, faces, FitOptions(steps=40, rate=1e-2, decay=0.0, batch=32, ranking=1.0))
    with torch.no_grad():
        logits = head.logit(head.hidden(head.standardize(known.clip.float(), torch.zeros(200)))).squeeze(-1)
    assert ((logits > 0) == (known.label > 0.5)).float().mean() > 0.9
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("audio_head.") and ".feature." not in name for name in changed)


def test_heads_are_judged_by_sources_that_they_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_small().eval()
    rows = [type("R", (), {"source": f"page {n // 10}", "path": str(n), "audio_fake": n % 2})() for n in range(40)]
    learnt: list[set[str]] = []

    def fit(head: object, known: VoiceWindows, sources: list[str], *_: object) -> None:
        learnt.append({sources[row] for row in known.row.tolist()})

    judged: list[set[str]] = []

    def logits(head: object, windows: VoiceWindows) -> dict[int, float]:
        judged.append({rows[row].source for row in windows.row.tolist()})
        return {row: float(rows[row].audio_fake) for row in windows.row.tolist()}

    monkeypatch.setattr("cad.training.audio_head.fit_head", fit)
    monkeypatch.setattr("cad.training.audio_head.file_logits", logits)
    faces = {row.path: False for row in rows}
    found = auc_left_out(net.audio_head, separable(40, 3), rows, faces, FitOptions(), 3)
    assert found["all"] == 1.0 and set().union(*judged) == {row.source for row in rows}
    assert len(learnt) == 3 and all(not seen & left for seen, left in zip(learnt, judged, strict=True))


def test_rare_sources_and_classes_are_drawn_more_often_than_they_occur() -> None:
    source = np.array(["large"] * 16 + ["small"] + ["face"] * 3)
    label = np.array([0] * 17 + [1, 1, 0], np.float32)
    weights = draw_weights(label, source, source == "face")
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert weights[:17].sum() == pytest.approx(0.5) and weights[16] == pytest.approx(0.1)
    assert weights[17:19].sum() == pytest.approx(weights[19]) == pytest.approx(0.25)
    ((real, fake),) = pairs_of(label, source)
    assert (real.tolist(), fake.tolist()) == ([19], [17, 18])
    assert set(source_groups(source.tolist(), 2).values()) == {0, 1}


@pytest.mark.slow
def test_a_whole_net_keeps_everything_but_its_head(shards: Path, tmp_path: Path) -> None:
    data = CadData(shards=[str(shards)], streams=("audio",), workers=0)
    fit = FitOptions(steps=3, ranking=1.0)
    fit_audio_head(data, tmp_path, fit, left_out_groups=2, threads=1, start_from="cad_small")
    net, _ = load_checkpoint(tmp_path)
    old = tiny_small(lip_encoder="lip_shapes", lip_options={}, speech_options={}, face_options={}, width=128,
                     video_uses_lips=False, prototypes=64)  # fmt: skip
    load_parts(old, [StartFrom("cad_small", list(KEPT_PARTS))])
    assert isinstance(net, CadModel) and not net.fusion.residual[-1].weight.any()
    for name, value in net.state_dict().items():
        # The residual is silenced; what only losses use is in no exported graph, and begins anew.
        if name.startswith(KEPT_PARTS) and not name.startswith(("fusion.residual.", *TRAINING_ONLY)):
            assert torch.equal(value, old.state_dict()[name]), name
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert set(figures["left_out"]) == set(figures["val"]) == {"all", "speech", "faces"}
