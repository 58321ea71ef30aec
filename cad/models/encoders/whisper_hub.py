# SPDX-License-Identifier: Apache-2.0
"""WhisperHub gives nets the speech tokens of the paper: the whole Whisper encoder of transformers with adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cad.errors import OptionError
from cad.models.config import WHISPER_SIZE
from cad.models.encoders.adapters import Adapted
from cad.models.encoders.interfaces import SpeechEncoder
from cad.models.pretrained.whisper import whisper_encoder_state

#: Width, layers and heads of the encoder by size. Source: arXiv 2212.04356, table 1.
SIZES: Mapping[str, tuple[int, int, int]] = {"base": (512, 6, 8), "small": (768, 12, 12)}


class WhisperHub(SpeechEncoder):
    """The encoder of Whisper base or small: adapters on for the specific path, passed by for the shared one.

    Its own forward takes 30 s and nothing else; here a window gets the first positions, as in WhisperLayers.

    Args:
        size: ``base``, which packages carry, or ``small``, which the paper names and which needs a file.
        model_options: Changes of its architecture, for small ones in tests.
        rank: Of the adapters.

    Raises:
        OptionError: There is no such size.
    """

    tokens_per_slot = 2

    def __init__(self, size: str = WHISPER_SIZE, model_options: Mapping[str, Any] | None = None, rank: int = 8) -> None:
        super().__init__()
        if size not in SIZES:
            raise OptionError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        width, layers, heads = SIZES[size]
        architecture = {
            "d_model": width,
            "encoder_layers": layers,
            "encoder_attention_heads": heads,
            "encoder_ffn_dim": 4 * width,
        }
        config = WhisperConfig(**{**architecture, **(model_options or {})})
        self.size = size
        self.width = int(config.d_model)
        self.max_slots = int(config.max_source_positions) // self.tokens_per_slot
        self.adapted = Adapted(WhisperEncoder(config), ("q_proj", "k_proj", "v_proj", "out_proj"), rank)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Encode without adapters (see SpeechEncoder)."""
        with self.adapted.passed_by():
            return self._encode(log_mel)

    def encode_specific(self, log_mel: Tensor, shared: Tensor) -> Tensor:
        """Encode with adapters (see SpeechEncoder)."""
        return self._encode(log_mel)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load Whisper's weights from a file or the packages with its base model (see SpeechEncoder)."""
        path = starts.get("whisper")
        self.adapted.load_base(whisper_encoder_state(path), str(path or f"Whisper {self.size}"))

    def _encode(self, log_mel: Tensor) -> Tensor:
        net: Any = self.adapted.net
        hidden = F.gelu(net.conv2(F.gelu(net.conv1(log_mel)))).transpose(1, 2)
        hidden = hidden + net.embed_positions.weight[: hidden.shape[1]]
        for layer in net.layers:
            hidden = layer(hidden, None)
        normed: Tensor = net.layer_norm(hidden)
        return normed
