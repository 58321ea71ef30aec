# SPDX-License-Identifier: Apache-2.0
"""Statistics of windows for the forgery ablation: mean and deviation of a frozen encoder's tokens, kept in files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cad.data.forge import Stream
from cad.models.encoders.efficientnet import EfficientNetFace
from cad.models.encoders.interfaces import FaceEncoder, SpeechEncoder
from cad.models.encoders.whisper import WhisperLayers
from cad.models.masks import masked_statistics
from cad.training.batches import Sample
from cad.whole_files import written_beside

_log = logging.getLogger(__name__)

Statistics = Callable[[Sample], NDArray[np.float32]]
#: Clips that are computed between two saves.
_SAVED_EVERY = 25


def published_statistics(stream: Stream) -> Statistics:
    """Return the statistics of the encoder that ``cad_small`` starts from, with its published weights.

    Of the picture up to stage 4 at a sixteenth of the size, as docs/forgeries.md was measured.

    Raises:
        MissingExtraError: The package that carries the weights is not installed.
        WeightsError: They do not fit.
    """
    encoder = EfficientNetFace(last_stage=4) if stream is Stream.VIDEO else WhisperLayers()
    encoder.load_pretrained({})
    return statistics_by(encoder)


def statistics_by(encoder: FaceEncoder | SpeechEncoder) -> Statistics:
    """Return a function from a sample to float32 (2 * width,): mean and deviation of the encoder's tokens."""
    encoder.eval()

    @torch.inference_mode()
    def statistics(sample: Sample) -> NDArray[np.float32]:
        if isinstance(encoder, FaceEncoder):
            frames, present = torch.from_numpy(sample.frames)[None], torch.from_numpy(sample.frames_present)[None]
            tokens, present = encoder(frames, present)
        else:
            present = torch.from_numpy(sample.audio_present)[None]
            tokens = encoder(torch.from_numpy(sample.audio)[None], present)
            present = present.repeat_interleave(encoder.tokens_per_slot, dim=1)
        found: NDArray[np.float32] = masked_statistics(tokens, present)[0].numpy()
        return found

    return statistics


def kept(
    path: Path, keys: Sequence[str], compute: Callable[[str], NDArray[np.float32] | None], name: str = ""
) -> Mapping[str, NDArray[np.float32]]:
    """Return the statistics of ``keys``; what the file at ``path`` has already is not computed again.

    Args:
        path: A ``.npz`` file, made if absent and saved now and then, so that a run that was stopped goes on.
        keys: Clips.
        compute: Returns the statistics of one; None where the clip gives none, which is kept, too.
        name: What they are, for the log.
    """
    known = _loaded(path)
    left = [key for key in keys if key not in known]
    for number, key in enumerate(left, start=1):
        known[key] = compute(key)
        if number % _SAVED_EVERY == 0 or number == len(left):
            _save(path, known)
            _log.info("%s: %d of %d", name, len(keys) - len(left) + number, len(keys))
    return {key: found for key in keys if (found := known[key]) is not None}


def _loaded(path: Path) -> dict[str, NDArray[np.float32] | None]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        known = dict.fromkeys(file["without"].tolist())
        return known | dict(zip(file["keys"].tolist(), file["statistics"], strict=True))


def _save(path: Path, known: Mapping[str, NDArray[np.float32] | None]) -> None:
    found = {key: value for key, value in known.items() if value is not None}
    with written_beside(path) as part, part.open("wb") as stream:
        np.savez(
            stream,
            keys=np.array(list(found), dtype=np.str_),
            statistics=np.array(list(found.values()), dtype=np.float32),
            without=np.array([key for key in known if key not in found], dtype=np.str_),
        )
