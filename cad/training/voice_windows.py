# SPDX-License-Identifier: Apache-2.0
"""Gives the fit of the audio head its inputs: statistics of the frozen speech encoder, computed once a window.

Every recording is cut as ``CutOptions`` says, by default as the product cuts it, and nothing else is done to it:
windows that were degraded cost more on sources that training never saw than they gain (docs/experiments.md). Degraded
copies beside the clean ones, and made sounds that are no speech at all, are computed on request.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad.clock import SAMPLES_PER_FRAME
from cad.data.augment import AugmentOptions, augment_clip
from cad.data.made_sounds import NO_SPEECH
from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore
from cad.errors import OptionError
from cad.media.records import AudioSamples
from cad.models import CadModel
from cad.models.standardize import SETTLING_BATCHES
from cad.training.labels import UNKNOWN, labeled_of_row, window_labels
from cad.training.voice_cuts import CutOptions, VoiceCut, cut_voice

_log = logging.getLogger(__name__)

#: Rows whose statistics lie in one file.
_ROWS_AT_ONCE = 500
#: Made sounds of each kind, and how long they are: three windows each.
MADE_OF_A_KIND, MADE_SECONDS = 8, 4.0


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """Which recordings are seen once more, degraded; which ones are drawn without a look at their labels.

    Attributes:
        share: Of the recordings; 0 makes no copies.
        treatments: How often each degradation is applied to a copy; as in training step by step if None.
    """

    share: float = 0.0
    treatments: AugmentOptions | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise OptionError(f"the share of copies must be in [0, 1], got {self.share}")


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


@torch.no_grad()
def settle_tokens(net: CadModel, store: ClipStore, rows: Sequence[Row], seed: int, cut: CutOptions) -> None:
    """Let the running mean and deviation of the speech tokens settle on recordings drawn from ``rows``."""
    net.standardize_speech.train()
    for number in np.random.default_rng(seed).permutation(len(rows))[:SETTLING_BATCHES]:
        for window in cut_voice(store.read(rows[number].path), net.config.window_frames, cut):
            _tokens(net, [window.sound])
    net.standardize_speech.eval()
    net.standardize_speech.settle()


def voice_windows(
    net: CadModel,
    store: ClipStore,
    rows: Sequence[Row],
    folder: Path,
    seed: int,
    cut: CutOptions | None = None,
    copies: CopyOptions | None = None,
) -> VoiceWindows:
    """Return the windows of all rows, or of their degraded copies; those that the folder has are not computed again.

    Args:
        net: Its speech encoder and its head's statistics are used.
        store: Where the recordings are.
        rows: Whose windows; ``row`` of the result counts them.
        folder: Of the statistics.
        seed: For slots and copies.
        cut: How recordings become windows.
        copies: Which rows, degraded how; None for all rows as they are.

    Raises:
        OptionError: The statistics in the folder are of windows that were cut or degraded in another way, or of
            another net.
    """
    how = cut or CutOptions()
    treated = None if copies is None else asdict(copies)
    _keep_options(folder, {"cut": asdict(how), "copies": treated, "seed": seed, "net": _digest(net)})
    parts = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        kept = folder / f"statistics_{first:05d}.pt"
        if not kept.exists():
            numbers = range(first, min(first + _ROWS_AT_ONCE, len(rows)))
            found = [_of_number(net, store, rows, number, seed, how, copies) for number in numbers]
            part = VoiceWindows.joined([_nothing(net), *(one for one in found if one is not None)])
            torch.save({one.name: getattr(part, one.name) for one in fields(part)}, kept)
            _log.info("%d of %d recordings", numbers.stop, len(rows))
        parts.append(VoiceWindows(**torch.load(kept, weights_only=True)))
    return VoiceWindows.joined([_nothing(net), *parts])


def made_windows(net: CadModel, cut: CutOptions, seed: int) -> tuple[VoiceWindows, list[str]]:
    """Return windows of made sounds without speech, all genuine, and by row the kind of sound.

    They are heard whole whatever the mask: what the speech detector lets through by mistake is heard like that.
    """
    whole = replace(cut, mask="none")
    parts: list[VoiceWindows] = []
    kinds: list[str] = []
    for name, make in NO_SPEECH.items():
        for number in range(MADE_OF_A_KIND):
            rng = np.random.default_rng([seed, len(kinds)])
            audio = make(rng, MADE_SECONDS)
            heard, seen = (
                np.ones(len(audio) // SAMPLES_PER_FRAME, bool),
                np.zeros(len(audio) // SAMPLES_PER_FRAME, bool),
            )
            clip = Clip(f"{name} {number}", None, None, seen, audio, heard)
            windows = list(cut_voice(clip, net.config.window_frames, whole))
            parts.append(_of_windows(net, windows, np.zeros(len(heard), np.float32), len(kinds), rng))
            kinds.append(name)
    return VoiceWindows.joined(parts), kinds


def _keep_options(folder: Path, options: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept, text = folder / "options.json", json.dumps(options, sort_keys=True)
    if not kept.exists():
        kept.write_text(text)
    elif kept.read_text() != text:
        raise OptionError(
            f"{folder}: the statistics there are of other windows, {kept.read_text()}; name another folder"
        )


def _digest(net: CadModel) -> str:
    """Return what tells the encoder behind some statistics, and which statistics they are, from others."""
    known = hashlib.sha256(str(net.audio_head.standardize.mean.shape[0]).encode())
    for part in (net.speech_encoder, net.standardize_speech):
        for value in part.state_dict().values():
            known.update(value.numpy().tobytes())
    return known.hexdigest()


def _of_number(
    net: CadModel,
    store: ClipStore,
    rows: Sequence[Row],
    number: int,
    seed: int,
    cut: CutOptions,
    copies: CopyOptions | None,
) -> VoiceWindows | None:
    rng = np.random.default_rng([seed, number])
    if copies is not None and rng.random() >= copies.share:
        return None
    clip = store.read(rows[number].path)
    forged = labeled_of_row(clip, rows[number]).audio_fake
    if copies is not None:
        # The sound alone: pictures are not needed, and their treatments cost the most.
        clip = augment_clip(replace(clip, frames=None, points_px=None), rng, copies.treatments)
    windows = list(cut_voice(clip, net.config.window_frames, cut))
    return _of_windows(net, windows, forged, number, rng) if windows else None


@torch.no_grad()
def _of_windows(
    net: CadModel, windows: Sequence[VoiceCut], forged: NDArray[np.float32], number: int, rng: np.random.Generator
) -> VoiceWindows:
    """Return the statistics of the windows, at least one, of a clip that is ``forged`` in these slots."""
    tokens, present = _tokens(net, [window.sound for window in windows])
    whole, around = net.audio_head.statistics(tokens, present)
    labels, slots, slot_labels = [], [], []
    for index, window in enumerate(windows):
        own = np.where(window.sound.present, forged[window.slots], np.float32(UNKNOWN))
        labels.append(window_labels(np.stack([np.full_like(own, UNKNOWN), own, np.full_like(own, UNKNOWN)]))[2])
        slot = int(rng.choice(np.flatnonzero(window.sound.present)))
        slots.append(around[index, slot])
        slot_labels.append(own[slot])
    return VoiceWindows(
        whole.half(),
        torch.tensor(np.array(labels, np.float32)),
        torch.stack(slots).half(),
        torch.tensor(np.array(slot_labels, np.float32)),
        torch.full((len(windows),), number),
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
