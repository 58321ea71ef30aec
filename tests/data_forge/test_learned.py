# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_clips import made_clip
from requirements import needs

from cad.data.forge import forge
from cad.data.forge.learned import FOLDER_VARIABLE, VOCODER_HOP, redrawn, revoiced, vocoder_mel
from cad.errors import OptionError


@pytest.mark.parametrize("kind", ["autoencoder", "neural_vocoder"])
def test_without_trained_networks_the_message_says_how_to_get_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(OptionError, match=r"train_forgers\.py"):
        forge(made_clip(60, 1), np.random.default_rng(0), None, {kind: 1.0}, slots=50)


def test_the_networks_are_given_and_give_the_right_shapes(stand_in_forgers: Path) -> None:
    clip = made_clip(20, 1)
    patches = clip.frames[:, 32:160, 32:160]
    drawn = redrawn(patches, stand_in_forgers / "autoencoder_blur.onnx")
    assert drawn.shape == patches.shape and drawn.dtype == np.uint8
    assert np.abs(drawn.astype(int) - patches).mean() < 8  # a blur of the same picture, neither turned nor recoloured
    mel = vocoder_mel(clip.audio)
    assert mel.shape[0] == 80 and abs(mel.shape[1] - len(clip.audio) / VOCODER_HOP) <= 1
    assert revoiced(clip.audio, stand_in_forgers / "vocoder_linear.onnx").shape == clip.audio.shape


@needs("train")
@pytest.mark.parametrize("upsampler", ["transposed", "nearest", "shuffle"])
def test_every_upsampler_gives_faces_and_sound_of_the_right_size(upsampler: str) -> None:
    import torch

    from cad.training.forgers.autoencoders import FaceAutoencoder, drawing_loss
    from cad.training.forgers.vocoders import SmallVocoder, spectral_loss

    torch.manual_seed(0)
    drawn = FaceAutoencoder(upsampler, 8)(torch.rand(2, 3, 96, 96))
    assert drawn.shape == (2, 3, 96, 96) and float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    said = SmallVocoder(upsampler)(torch.randn(2, 80, 16))
    assert said.shape == (2, 16 * VOCODER_HOP)
    assert float(drawing_loss(drawn, drawn)) == 0.0
    assert float(spectral_loss(said, said)) == pytest.approx(0, abs=1e-5)
    assert float(spectral_loss(said, 0.5 * said)) > 0.1


@needs("train")
def test_unknown_upsampler_is_refused() -> None:
    from cad.training.forgers.autoencoders import FaceAutoencoder
    from cad.training.forgers.vocoders import SmallVocoder

    for make in (FaceAutoencoder, SmallVocoder):
        with pytest.raises(OptionError, match="transposed"):
            make("bicubic")


@needs("train")
@pytest.mark.slow
def test_an_autoencoder_learns_and_its_file_draws_the_same(tmp_path: Path) -> None:
    import itertools

    import torch

    from cad.training.forgers.autoencoders import FaceAutoencoder, drawing_loss
    from cad.training.forgers.fit import export, fit

    torch.manual_seed(0)
    frames = made_clip(6, 3).frames[:, 32:160:2, 32:160:2]
    pictures = torch.nn.functional.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, size=(96, 96)
    )
    net = FaceAutoencoder("nearest", 8)
    made = fit(net, itertools.repeat((pictures, pictures)), drawing_loss, seconds=0, steps=30)
    # 0.84 after 30 steps; a net that does not learn stays at 1.
    assert made["last_loss"] < 0.92 * made["first_loss"]
    path = tmp_path / "autoencoder_nearest.onnx"
    export(net, torch.zeros(2, 3, 96, 96), "patches", {0: "slots"}, path)
    import onnxruntime

    (drawn,) = onnxruntime.InferenceSession(path).run(None, {"patches": pictures[:5].numpy()})
    assert np.allclose(drawn, net(pictures[:5]).detach().numpy(), atol=1e-4)


def test_forging_never_imports_torch() -> None:
    import subprocess
    import sys

    code = "import sys, cad.data.forge, cad.data.augment; sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False, timeout=120).returncode == 0
