# SPDX-License-Identifier: Apache-2.0
"""The audio head on kept statistics: windows are those of the product, and the head learns what tells them apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from tiny_cad import tiny_small

from cad.data.manifest import Row
from cad.data.shards import ClipStore
from cad.errors import OptionError
from cad.metrics.source_groups import source_groups
from cad.models import CadModel, create_model
from cad.models.checkpoint import load_checkpoint
from cad.models.standardize import SETTLING_BATCHES
from cad.training.audio_head import (
    KEPT_PARTS,
    Recordings,
    called_forged,
    file_logits,
    fit_audio_head,
    left_out,
)
from cad.training.data import CadData
from cad.training.packaged import training_only
from cad.training.start import StartFrom, load_parts
from cad.training.voice_cuts import CutOptions, cut_voice
from cad.training.voice_fit import FitOptions, draw_weights, fit_head, pairs_of, share_of_copied
from cad.training.voice_windows import CopyOptions, VoiceWindows, made_windows, settle_tokens, voice_windows

ROOT = Path(__file__).resolve().parents[2]


def test_its_configuration_names_what_the_tool_takes() -> None:
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(fit_audio_head)
    options = parser.parse_args(["--config", str(ROOT / "configs" / "train" / "audio_head.yaml")])
    assert options.left_out_groups == 8 and list(options.data.init_args.streams) == ["audio"]


def test_statistics_are_those_of_the_net_and_are_kept(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = tiny_small(), CadData(shards=[str(shards)], streams=("audio",))
    data.setup("fit")
    assert data.store is not None
    rows = data.train_rows
    settle_tokens(net, data.store, rows, 0, CutOptions())
    assert net.standardize_speech.mean.any() and int(net.standardize_speech.batches) == SETTLING_BATCHES
    found = voice_windows(net, data.store, rows, tmp_path, seed=0)
    assert set(found.row.tolist()) == set(range(len(rows)))
    pairs = zip(found.row.tolist(), found.label.tolist(), strict=True)
    assert {(rows[row].audio_fake, label) for row, label in pairs} == {(0, 0.0), (1, 1.0)}
    sound = next(cut_voice(data.store.read(rows[0].path), 50)).sound
    inputs = torch.from_numpy(sound.samples)[None], torch.from_numpy(sound.present)[None].float()
    with torch.no_grad():
        tokens = net.standardize_speech(net.speech_encoder(*inputs), inputs[1].repeat_interleave(2, dim=1))
        whole, _ = net.audio_head.statistics(tokens, inputs[1])
    torch.testing.assert_close(found.clip[0].float(), whole[0], rtol=2e-3, atol=2e-3)

    monkeypatch.setattr(ClipStore, "read", None)  # nothing is read again
    again = voice_windows(net, data.store, rows, tmp_path, seed=0)
    assert torch.equal(again.clip, found.clip) and torch.equal(again.slot_label, found.slot_label)
    with pytest.raises(OptionError, match="other windows"):
        voice_windows(net, data.store, rows, tmp_path, seed=0, cut=CutOptions(level="file"))


def test_copies_are_degraded_and_drawn_without_a_look_at_labels(shards: Path, tmp_path: Path) -> None:
    net, data = tiny_small(), CadData(shards=[str(shards)], streams=("audio",))
    data.setup("fit")
    assert data.store is not None
    rows = data.train_rows
    clean = voice_windows(net, data.store, rows, tmp_path / "clean", seed=0)
    copies = voice_windows(net, data.store, rows, tmp_path / "copies", seed=0, copies=CopyOptions(share=0.5))
    drawn = set(copies.row.tolist())
    assert 0 < len(drawn) < len(rows)
    turned = [replace(row, audio_fake=1 - row.audio_fake, label=1 - row.label) for row in rows]
    others = voice_windows(net, data.store, turned, tmp_path / "turned", seed=0, copies=CopyOptions(share=0.5))
    assert torch.equal(others.clip, copies.clip)
    one = drawn.pop()
    assert not torch.equal(copies.clip[copies.row == one], clean.clip[clean.row == one])


def test_made_sounds_are_genuine_and_of_every_kind() -> None:
    found, kinds = made_windows(tiny_small(), CutOptions(), seed=0)
    assert {"laughter", "pop", "applause"} <= set(kinds) and set(found.row.tolist()) == set(range(len(kinds)))
    assert not found.label.any() and not found.slot_label.any() and found.clip.isfinite().all()


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


def test_heads_are_judged_by_sources_and_kinds_that_they_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_small().eval()
    rows = [Row(str(n), n % 2, audio_fake=n % 2, source=f"page {n // 10}") for n in range(40)]
    learnt: list[set[str]] = []
    learnt_kinds: list[set[int]] = []

    def fit(
        head: object, known: VoiceWindows, sources: list[str], faces: object, options: object, made: VoiceWindows,
        copied: list[bool],
    ) -> None:  # fmt: skip
        assert not any(copied)
        learnt.append({sources[row] for row in known.row.tolist()})
        learnt_kinds.append(set(made.row.tolist()))

    judged: list[set[str]] = []
    judged_kinds: list[set[int]] = []

    def logits(head: object, windows: VoiceWindows) -> dict[int, float]:
        numbers = set(windows.row.tolist())
        if windows.label.any():
            judged.append({rows[row].source for row in numbers})
        else:
            judged_kinds.append(numbers)
        return {row: float(row % 2) for row in numbers}

    monkeypatch.setattr("cad.training.audio_head.fit_head", fit)
    monkeypatch.setattr("cad.training.audio_head.file_logits", logits)
    made = separable(4, 3)
    made.label.zero_()
    given = Recordings(
        rows, {row.path: False for row in rows}, separable(40, 3), made=made, made_kinds=["a", "b", "c", "d"]
    )
    found, called = left_out(net.audio_head, given, FitOptions(made_share=0.1), 3)
    assert found == {row: float(row % 2) for row in range(40)} and set().union(*judged) == {row.source for row in rows}
    assert len(learnt) == 3 and all(not seen & left for seen, left in zip(learnt, judged, strict=True))
    assert all(not seen & left for seen, left in zip(learnt_kinds, judged_kinds, strict=True))
    # Genuine rows have 0: "a" and "c" are as high, "b" and "d" higher.
    assert called == {"a": 0.0, "b": 1.0, "c": 0.0, "d": 1.0, "all": 0.5}
    assert called_forged([("chord", 2.0), ("chord", 0.0)], [0.0, 1.0]) == {"chord": 0.5, "all": 0.5}


def test_made_sounds_are_learnt_as_genuine() -> None:
    torch.manual_seed(0)
    net = tiny_small().eval()
    width = net.audio_head.hidden[0].in_features
    known, made = separable(200, width), separable(20, width)
    made.label.zero_(), made.slot_label.zero_()
    made.clip[:, 0], made.slot[:, 0] = 4.0, 4.0  # sound forged to a head that heard speech alone
    made.clip[:, 1], made.slot[:, 1] = 6.0, 6.0
    means = []
    for share in (0.0, 0.3):
        options = FitOptions(steps=60, rate=1e-2, decay=0.0, batch=64, made_share=share)
        fit_head(net.audio_head, known, ["page"] * 200, [False] * 200, options, made)
        means.append(float(np.mean(list(file_logits(net.audio_head, made).values()))))
    assert means[0] > 0 > means[1]
    with pytest.raises(OptionError, match="made_share"):
        FitOptions(made_share=1.0)
    with pytest.raises(OptionError, match="face_share"):
        FitOptions(face_share=0.0)
    with pytest.raises(OptionError, match="most"):
        FitOptions(most=-1)


def test_rare_sources_and_classes_are_drawn_more_often_than_they_occur() -> None:
    source = np.array(["large"] * 16 + ["small"] + ["face"] * 3)
    label = np.array([0] * 17 + [1, 1, 0], np.float32)
    weights = draw_weights(label, source, source == "face")
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert weights[:17].sum() == pytest.approx(0.5) and weights[16] == pytest.approx(0.1)
    assert weights[17:19].sum() == pytest.approx(weights[19]) == pytest.approx(0.25)
    capped = draw_weights(label, source, source == "face", face_share=0.2, most=4)
    assert capped[:17].sum() == pytest.approx(0.8) and capped[16] == pytest.approx(0.8 / 3)
    assert capped[17:].sum() == pytest.approx(0.2)
    ((real, fake),) = pairs_of(label, source)
    assert (real.tolist(), fake.tolist()) == ([19], [17, 18])
    assert set(source_groups(source.tolist(), 2).values()) == {0, 1}


def test_copies_of_recordings_are_learnt_in_their_share_and_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[tuple[list[int], list[bool]]] = []

    def remember(head: object, known: VoiceWindows, *given: object) -> None:
        copied = given[-1]
        assert isinstance(copied, list)
        learnt.append((known.row.tolist(), copied))

    monkeypatch.setattr("cad.training.audio_head.fit_head", remember)
    net = tiny_small().eval()
    methods = ["", "vocoder", "copy:world"]
    rows = [Row(f"{n}.wav", int(n % 3 > 0), audio_fake=int(n % 3 > 0), method=methods[n % 3], source=f"page {n // 6}")
            for n in range(12)]  # fmt: skip
    given = Recordings(rows, {row.path: False for row in rows}, separable(12, net.audio_head.hidden[0].in_features))
    logits, _ = left_out(net.audio_head, given, FitOptions(), 2)
    assert sorted(logits) == [n for n in range(12) if n % 3 < 2]
    assert all(copied == [n % 3 == 2 for n in range(12)] for _, copied in learnt)
    assert all(any(n % 3 == 2 for n in seen) for seen, _ in learnt)

    weights = share_of_copied(np.full(4, 0.25), np.array([1, 1, 1, 0], bool), np.array([0, 0, 1, 1], bool), 0.1)
    np.testing.assert_allclose(weights, [0.3375, 0.3375, 0.075, 0.25])


@pytest.mark.slow
def test_a_whole_net_keeps_everything_but_its_head(shards: Path, tmp_path: Path) -> None:
    data = CadData(shards=[str(shards)], streams=("audio",), workers=0)
    fit = FitOptions(steps=3, ranking=1.0)
    copies = CopyOptions(share=1.0)
    fit_audio_head(data, tmp_path, fit, 2, threads=1, start_from="cad_small", copies=copies, seeds=2)
    net, _ = load_checkpoint(tmp_path)
    old = create_model("cad_small")
    load_parts(old, [StartFrom("cad_small", list(KEPT_PARTS))])
    assert isinstance(net, CadModel) and net.fusion.kind == "strongest"
    for name, value in net.state_dict().items():
        # What only losses use is in no exported graph, and begins anew.
        if name.startswith(KEPT_PARTS) and not name.startswith(training_only(net)):
            assert torch.equal(value, old.state_dict()[name]), name
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert set(figures["left_out"]) == set(figures["val"]) == {"all", "speech", "faces", "within"}
    assert len(figures["left_out"]["all"]["seeds"]) == 2 and "all" in figures["made_called_forged"]
    assert len((tmp_path / "left_out.csv").read_text().splitlines()) == 1 + len(data.train_rows)
