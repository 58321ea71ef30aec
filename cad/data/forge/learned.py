# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes by small trained networks (``tools/training/train_forgers.py``) with the traces of real generators.

The networks are ONNX files in the folder that the environment variable CAD_FORGERS names; the processes of data loaders
inherit such a variable. Both kinds are off unless their weight is set.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.forge.blending import blend, smooth_walk
from cad.data.forge.face_mask import draw_face, draw_face_mask
from cad.data.forge.records import Job, Need, Stream, with_frames
from cad.data.forge.registry import forger_names, register
from cad.data.forge.resynthesis import resynthesised
from cad.data.forge.spectra import mel_filters, stft
from cad.data.records import LabeledClip
from cad.errors import OptionError
from cad.resampling import of_length

FOLDER_VARIABLE = "CAD_FORGERS"
#: The kinds that need trained networks.
LEARNED = ("autoencoder", "neural_vocoder")
#: The part of the stored crop that an autoencoder sees, and the size it sees it at.
PATCH = slice(32, 160)
PATCH_INPUT_PX = 96
#: What a vocoder sees: log-mel of 80 bands, windows of 512 and steps of 128 samples at 16 kHz.
VOCODER_WINDOW, VOCODER_HOP, VOCODER_MELS = 512, 128, 80


@register("autoencoder", needs=[Need.PICTURE], sets=[Stream.VIDEO])
def autoencoder(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Draw the face, or a part of it, anew from a narrow code; one of the trained networks, by chance.

    Raises:
        OptionError: There are no trained autoencoders.
    """
    network = _drawn("autoencoder", rng)
    face = draw_face(job.target.clip, rng)
    if face is None:
        return None
    segment, old, points = face
    mask = draw_face_mask(points, rng, ("face", "face", "inner_face", "lower_face", "mouth"))
    inner = np.ascontiguousarray(mask[PATCH, PATCH])
    before = np.ascontiguousarray(old[:, PATCH, PATCH])
    drift = 0.4 * smooth_walk(len(old), 2, rng)
    new = old.copy()
    new[:, PATCH, PATCH] = blend(before, redrawn(before, network), inner, rng.uniform(0.85, 1.0), drift)
    return with_frames(job.target, new, segment, "autoencoder")


@register("neural_vocoder", needs=[Need.SOUND], sets=[Stream.AUDIO])
def neural_vocoder(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Make the sound anew from its log-mel spectrum by one of the trained networks, by chance.

    Raises:
        OptionError: There are no trained vocoders.
    """
    network = _drawn("vocoder", rng)
    return resynthesised(job, rng, "neural_vocoder", lambda audio, _: revoiced(audio, network))


def usable_forgers() -> tuple[str, ...]:
    """Return the registered kinds, without those that need trained networks where CAD_FORGERS names no folder."""
    has_networks = bool(os.environ.get(FOLDER_VARIABLE))
    return tuple(name for name in forger_names() if has_networks or name not in LEARNED)


def redrawn(patches: NDArray[np.uint8], network: Path) -> NDArray[np.uint8]:
    """Return patches uint8 (slots, 128, 128, 3) as the autoencoder ``network`` draws them."""
    size = (PATCH_INPUT_PX, PATCH_INPUT_PX)
    small = each_frame(patches, lambda patch: cv2.resize(patch, size, interpolation=cv2.INTER_AREA))
    given = np.ascontiguousarray(small.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
    (drawn,) = _session(str(network), os.getpid()).run(None, {"patches": given})
    pictures = np.ascontiguousarray(np.clip(drawn * 255 + 0.5, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))
    return each_frame(pictures, lambda one: cv2.resize(one, patches.shape[2:0:-1], interpolation=cv2.INTER_LINEAR))


def revoiced(audio: NDArray[np.float32], network: Path) -> NDArray[np.float32]:
    """Return ``audio`` float32 (samples,) as the vocoder ``network`` says it; nothing moves in time."""
    (said,) = _session(str(network), os.getpid()).run(None, {"mel": vocoder_mel(audio)[None]})
    return of_length(said.reshape(-1), len(audio))


def vocoder_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the natural logarithm of the mel spectrum, float32 (80, frames); frame i is centred on sample i * 128."""
    filters, _ = mel_filters(VOCODER_WINDOW, VOCODER_MELS, 0.0, 8000.0)
    magnitude = np.abs(stft(audio, VOCODER_WINDOW, VOCODER_HOP))
    return np.asarray(np.log(magnitude @ filters.T + 1e-4).T, dtype=np.float32)


def _drawn(kind: str, rng: np.random.Generator) -> Path:
    folder = os.environ.get(FOLDER_VARIABLE, "")
    networks = sorted(Path(folder).glob(f"{kind}_*.onnx")) if folder else []
    if not networks:
        raise OptionError(
            f"no trained {kind}: {FOLDER_VARIABLE} is {folder!r}; "
            "run tools/training/train_forgers.py and let it name the folder"
        )
    return networks[int(rng.integers(len(networks)))]


@lru_cache(maxsize=16)
def _session(path: str, process: int) -> Any:
    # One session a process: a session must not be used after a fork.
    del process
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
