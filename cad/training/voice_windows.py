# SPDX-License-Identifier: Apache-2.0
"""Gives the fit of the audio head its inputs: statistics of the frozen speech encoder, computed once a window.

Every recording is cut as the product cuts it, into windows from its first to its last spoken slot, and nothing is done
to it: windows that were degraded cost more on sources that training never saw than they gain (docs/experiments.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad.clock import SAMPLES_PER_FRAME
from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore
from cad.media.records import AudioSamples
from cad.models import CadModel
from cad.models.standardize import SETTLING_BATCHES
from cad.runtime.scorer import MIN_AUDIO_SHARE
from cad.speech import keep_speech
from cad.training.labels import UNKNOWN, labeled_of_row, window_labels
from cad.windows import window_spans

_log = logging.getLogger(__name__)

#: Rows whose statistics lie in one file.
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class VoiceWindows:
    """Windows as the audio head sees them.

    Attributes:
        clip: float16 (windows, statistics).
        label: float32 (windows,) 1 forged, 0 genuine, -1 unknown.
        slot: float16 (windows, statistics) around one slot of each, since the head judges slots, too.
        slot_label: float32 (windows,) of that slot.
        row: int64 (windows,) number of the row that each is from.
    """

    clip: Tensor
    label: Tensor
    slot: Tensor
    slot_label: Tensor
    row: Tensor

    @classmethod
    def joined(cls, parts: Sequence[VoiceWindows]) -> VoiceWindows:
        """Return the windows of all ``parts``, at least one."""
        return cls(*(torch.cat([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def of_rows(self, rows: Sequence[int] | NDArray[np.intp]) -> VoiceWindows:
        """Return the windows of these rows whose label is known."""
        kept = torch.isin(self.row, torch.as_tensor(np.asarray(rows, np.int64))) & (self.label >= 0)
        return VoiceWindows(*(getattr(self, one.name)[kept] for one in fields(self)))


def cut_voice(clip: Clip, slots: int) -> Iterator[tuple[int, AudioSamples]]:
    """Yield first slot and sound of the windows that the product cuts of a clip, all that is no speech taken out."""
    if clip.audio is None:
        return
    speech = keep_speech(AudioSamples(np.ascontiguousarray(clip.audio, np.float32), clip.audio_present))
    spoken = np.flatnonzero(speech.present)
    if not len(spoken):
        return
    for start, stop in window_spans(int(spoken[0]), int(spoken[-1]) + 1, slots, slots // 2):
        present = speech.present[start:stop]
        if present.mean() >= MIN_AUDIO_SHARE:
            yield start, AudioSamples(speech.samples[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME], present)


@torch.no_grad()
def settle_tokens(net: CadModel, store: ClipStore, rows: Sequence[Row], seed: int) -> None:
    """Let the running mean and deviation of the speech tokens settle on recordings drawn from ``rows``."""
    net.standardize_speech.train()
    for number in np.random.default_rng(seed).permutation(len(rows))[:SETTLING_BATCHES]:
        for _, sound in cut_voice(store.read(rows[number].path), net.config.window_frames):
            _tokens(net, [sound])
    net.standardize_speech.eval()
    net.standardize_speech.settle()


def voice_windows(net: CadModel, store: ClipStore, rows: Sequence[Row], folder: Path, seed: int) -> VoiceWindows:
    """Return the windows of all rows; those that the folder has are not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        kept = folder / f"statistics_{first:05d}.pt"
        if not kept.exists():
            numbers = range(first, min(first + _ROWS_AT_ONCE, len(rows)))
            rng = np.random.default_rng([seed, first])
            found = [_of_row(net, store.read(rows[number].path), rows[number], number, rng) for number in numbers]
            part = VoiceWindows.joined([_nothing(net), *(one for one in found if one is not None)])
            torch.save({one.name: getattr(part, one.name) for one in fields(part)}, kept)
            _log.info("%d of %d recordings", numbers.stop, len(rows))
        parts.append(VoiceWindows(**torch.load(kept, weights_only=True)))
    return VoiceWindows.joined(parts)


@torch.no_grad()
def _of_row(net: CadModel, clip: Clip, row: Row, number: int, rng: np.random.Generator) -> VoiceWindows | None:
    cut = list(cut_voice(clip, net.config.window_frames))
    if not cut:
        return None
    tokens, present = _tokens(net, [sound for _, sound in cut])
    whole, around = net.audio_head.statistics(tokens, present)
    forged = labeled_of_row(clip, row).audio_fake
    labels, slots, slot_labels = [], [], []
    for index, (start, sound) in enumerate(cut):
        own = np.where(sound.present, forged[start : start + len(sound.present)], np.float32(UNKNOWN))
        labels.append(window_labels(np.stack([np.full_like(own, UNKNOWN), own, np.full_like(own, UNKNOWN)]))[2])
        slot = int(rng.choice(np.flatnonzero(sound.present)))
        slots.append(around[index, slot])
        slot_labels.append(own[slot])
    return VoiceWindows(
        whole.half(),
        torch.tensor(np.array(labels, np.float32)),
        torch.stack(slots).half(),
        torch.tensor(np.array(slot_labels, np.float32)),
        torch.full((len(cut),), number),
    )


def _tokens(net: CadModel, sounds: Sequence[AudioSamples]) -> tuple[Tensor, Tensor]:
    """Return the standardised tokens of windows of one length, and their presence by slot."""
    audio = torch.from_numpy(np.stack([sound.samples for sound in sounds]))
    present = torch.from_numpy(np.stack([sound.present for sound in sounds])).float()
    tokens = net.speech_encoder(audio, present)
    return net.standardize_speech(tokens, present.repeat_interleave(net.speech_encoder.tokens_per_slot, dim=1)), present


def _nothing(net: CadModel) -> VoiceWindows:
    width = net.audio_head.standardize.mean.shape[0]
    return VoiceWindows(
        torch.zeros(0, width).half(),
        torch.zeros(0),
        torch.zeros(0, width).half(),
        torch.zeros(0),
        torch.zeros(0, dtype=torch.int64),
    )
