# SPDX-License-Identifier: Apache-2.0
"""AasistL gives comparisons a light net on raw sound: sinc filters, residual blocks, graphs of time and spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.errors import OptionError
from cad.models.baselines.graph_attention import GraphAttention, GraphPool, HeterogeneousAttention
from cad.models.config import NetConfig
from cad.models.net import Net
from cad.models.output import CadOutput, StreamPresence
from cad.models.rows import rows_with

#: Neighbouring filters and steps of time that the first pooling and each block bring together.
_POOL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AasistConfig(NetConfig):
    """Architecture of AASIST; the defaults are the paper's light one.

    Attributes:
        filters: Sinc filters.
        kernel: Length of a filter in samples, odd.
        channels: Of each residual block.
        graph_width: Features of the nodes of the first graphs.
        mixed_width: Features of the nodes after both graphs meet.
        spectrum_share: Of the nodes of the spectrum that are kept.
        time_share: Of the nodes of time that are kept.
        mixed_share: Of the nodes that are kept after both meet.
        temperature: Of the attention in the first graphs.
        mixed_temperature: Of the attention after both meet.
        dropout: Before the last layer.
    """

    name: str = "aasist_l"
    filters: int = 70
    kernel: int = 129
    channels: tuple[int, ...] = (32, 32, 24, 24, 24, 24)
    graph_width: int = 24
    mixed_width: int = 32
    spectrum_share: float = 0.4
    time_share: float = 0.5
    mixed_share: float = 0.7
    temperature: float = 2.0
    mixed_temperature: float = 100.0
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0 or not self.channels or self.filters < _POOL:
            raise OptionError(f"{self.name}: kernel must be odd, channels not empty, and filters {_POOL} or more")

    @property
    def heads(self) -> tuple[str, ...]:
        """The sound, which the fused logit repeats."""
        return ("audio",)


class AasistL(Net):
    """One logit for the sound of a window; every slot with sound gets the window's.

    Source: Jung et al., AASIST, ICASSP 2022, arXiv 2110.01200: AASIST-L, 85,306 parameters with two outputs, of which
    one is left here. The paper hears 4 s; here a window is as long as everybody's, and samples of absent slots are
    silence whose nodes count for nothing.

    Args:
        config: The architecture.
    """

    config: AasistConfig

    def __init__(self, config: AasistConfig) -> None:
        super().__init__()
        self.config = config
        self.sinc = SincFilters(config.filters, config.kernel)
        self.first_norm = nn.BatchNorm2d(1)
        widths = (1, *config.channels)
        self.blocks = nn.ModuleList(
            _Block(widths[place], after, is_first=place == 0) for place, after in enumerate(config.channels)
        )
        width = config.graph_width
        self.spectrum_place = nn.Parameter(torch.randn(1, widths[-1], config.filters // _POOL))
        self.spectrum_graph = GraphAttention(widths[-1], width, config.temperature)
        self.spectrum_pool = GraphPool(width, config.spectrum_share)
        self.time_graph = GraphAttention(widths[-1], width, config.temperature)
        self.time_pool = GraphPool(width, config.time_share)
        self.branches = nn.ModuleList(_Branch(config) for _ in range(2))
        self.way_dropout = nn.Dropout(0.2)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(5 * config.mixed_width, 1))

    def forward(
        self,
        frames: Tensor,
        audio: Tensor,
        frames_present: Tensor,
        audio_present: Tensor,
        *,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> CadOutput:
        """Judge a batch of windows (see Net)."""
        present = audio_present if keep_audio is None else audio_present * keep_audio.unsqueeze(1)
        has_sound = present.amax(1)
        (logits,) = rows_with(present, self._judged, audio, present)
        clip = logits * has_sound
        nothing, darkness = torch.zeros_like(clip), torch.zeros_like(present)
        return CadOutput(
            # Detached: a forged face makes the clip fake, which must not teach that its voice is.
            fused_logit=clip.detach(),
            video_logit=nothing,
            audio_logit=clip,
            sync_logit=nothing,
            video_frame_logits=darkness,
            # Detached: one answer a window has nothing to learn from slots.
            audio_frame_logits=clip.detach().unsqueeze(1) * present,
            sync_frame_logits=darkness,
            offset_seconds=nothing,
            features=StreamPresence(
                video_present=darkness,
                audio_present=present,
                stream_present=torch.stack([nothing, has_sound, nothing], dim=1),
            ),
        )

    def _judged(self, audio: Tensor, present: Tensor) -> tuple[Tensor]:
        maps, heard = self._maps(audio, present)
        spectrum, time = maps.amax(3) + self.spectrum_place, maps.amax(2)
        every = torch.ones_like(spectrum[:, 0])
        spectrum, spectrum_left = self.spectrum_pool(self.spectrum_graph(spectrum, every), every)
        time, time_left = self.time_pool(self.time_graph(time, heard), heard)
        found = [branch(time, spectrum, time_left, spectrum_left) for branch in self.branches]
        pairs = ((self.way_dropout(mine), self.way_dropout(other)) for mine, other in zip(*found, strict=True))
        # Where one branch dropped a node, what is left of it there is 0.
        time, spectrum, master, time_left, spectrum_left = (torch.maximum(*pair) for pair in pairs)
        read = [*_read_out(time, time_left), *_read_out(spectrum, spectrum_left), master.squeeze(2)]
        logits: Tensor = self.classifier(torch.cat(read, dim=1)).squeeze(-1)
        return (logits,)

    def _maps(self, audio: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the size of the features (batch, channels, spectrum, time) and the presence (batch, time) of each."""
        # Silence up to a whole number of nodes, so that the shortest window has one and the last samples count.
        batch, slots = present.shape
        samples, per_node = SAMPLES_PER_FRAME * slots, _POOL ** (1 + len(self.blocks))
        there = present.unsqueeze(2).expand(-1, -1, SAMPLES_PER_FRAME)
        sound = torch.stack([audio.reshape(batch, slots, SAMPLES_PER_FRAME) * there, there], dim=1)
        sound = F.pad(sound.reshape(batch, 2, samples), (0, per_node * (samples // per_node + 1) - samples))
        maps = self.sinc(sound[:, 0]).abs().unsqueeze(1)
        maps = F.selu(self.first_norm(F.max_pool2d(maps, _POOL)))
        heard = F.max_pool2d(sound[:, None, 1:], (1, _POOL))
        for block in self.blocks:
            maps, heard = block(maps), F.max_pool2d(heard, (1, _POOL))
        return maps.abs() * heard, heard[:, 0, 0]


class _Branch(nn.Module):
    """Two rounds of attention over both graphs with pooling between them."""

    def __init__(self, config: AasistConfig) -> None:
        super().__init__()
        width = config.mixed_width
        self.master = nn.Parameter(torch.randn(1, config.graph_width, 1))
        self.first = HeterogeneousAttention(config.graph_width, width, config.mixed_temperature)
        self.second = HeterogeneousAttention(width, width, config.mixed_temperature)
        self.time_pool = GraphPool(width, config.mixed_share)
        self.spectrum_pool = GraphPool(width, config.mixed_share)

    def forward(
        self, time: Tensor, spectrum: Tensor, time_left: Tensor, spectrum_left: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        master = self.master.expand(time.shape[0], -1, -1)
        time, spectrum, master = self.first(time, spectrum, master, time_left, spectrum_left)
        time, time_left = self.time_pool(time, time_left)
        spectrum, spectrum_left = self.spectrum_pool(spectrum, spectrum_left)
        more = self.second(time, spectrum, master, time_left, spectrum_left)
        return time + more[0], spectrum + more[1], master + more[2], time_left, spectrum_left


def _read_out(nodes: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest size and the mean of each feature (batch, width) over the nodes that are left."""
    mean = (nodes * left.unsqueeze(1)).sum(2) / left.sum(1, keepdim=True).clamp(min=1.0)
    return nodes.abs().amax(2), mean


class _Block(nn.Module):
    """Pre-activation residual block, then time pooled to a third."""

    def __init__(self, before: int, after: int, is_first: bool) -> None:
        super().__init__()
        self.norm = None if is_first else nn.BatchNorm2d(before)
        self.first = nn.Conv2d(before, after, (2, 3), padding=(1, 1))
        self.middle_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, (2, 3), padding=(0, 1))
        self.skip = None if before == after else nn.Conv2d(before, after, (1, 3), padding=(0, 1))

    def forward(self, maps: Tensor) -> Tensor:
        hidden = maps if self.norm is None else F.selu(self.norm(maps))
        hidden = self.second(F.selu(self.middle_norm(self.first(hidden))))
        kept = maps if self.skip is None else self.skip(maps)
        return F.max_pool2d(hidden + kept, (1, _POOL))


class SincFilters(nn.Module):
    """Band-pass filters side by side on the mel scale, which do not learn.

    Source: SincNet, Ravanelli and Bengio, arXiv 1808.00158; fixed and on the mel scale in RawNet2, Tak et al., arXiv
    2011.01108.

    Args:
        filters: How many.
        kernel: Samples of each, odd.
    """

    bank: Tensor

    def __init__(self, filters: int, kernel: int) -> None:
        super().__init__()
        self.register_buffer("bank", sinc_bank(filters, kernel), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Map (batch, samples) to (batch, filters, samples)."""
        return F.conv1d(audio.unsqueeze(1), self.bank, padding=self.bank.shape[-1] // 2)


def sinc_bank(filters: int, kernel: int) -> Tensor:
    """Return Hamming-windowed differences of two low passes, float32 (filters, 1, kernel), 0 to 8000 Hz.

    Source: the mel scale of O'Shaughnessy, 1987: ``2595 log10(1 + f / 700)``.
    """
    top_mel = 2595.0 * math.log10(1.0 + SAMPLE_RATE_HZ / 2 / 700.0)
    edges_hz = 700.0 * (10.0 ** (torch.linspace(0.0, top_mel, filters + 1, dtype=torch.float64) / 2595.0) - 1.0)
    samples = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    share = 2.0 * edges_hz.unsqueeze(1) / SAMPLE_RATE_HZ
    low_passes = share * torch.sinc(share * samples)
    window = torch.hamming_window(kernel, periodic=False, dtype=torch.float64)
    return ((low_passes[1:] - low_passes[:-1]) * window).unsqueeze(1).float()
