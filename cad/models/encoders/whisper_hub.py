# SPDX-License-Identifier: Apache-2.0
"""WhisperHub gives cad_base its speech tokens: the whole Whisper encoder of transformers with low-rank adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from transformers import WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cad.models.encoders.adapters import Adapted
from cad.models.encoders.interfaces import SpeechEncoder

#: Architecture of openai/whisper-small's encoder. Source: arXiv 2212.04356, table 1.
_SMALL: Mapping[str, Any] = {
    "d_model": 768,
    "encoder_layers": 12,
    "encoder_attention_heads": 12,
    "encoder_ffn_dim": 3072,
}


class WhisperHub(SpeechEncoder):
    """Whisper small's encoder: adapters on for the specific path, passed by for the shared one.

    Its own forward takes 30 s and nothing else; here a window gets the first positions, as in WhisperLayers.

    Args:
        model: Name on the hub.
        model_options: Changes of its architecture, for small ones in tests.
        rank: Of the adapters.
    """

    tokens_per_slot = 2

    def __init__(
        self, model: str = "openai/whisper-small", model_options: Mapping[str, Any] | None = None, rank: int = 8
    ) -> None:
        super().__init__()
        config = WhisperConfig(**{**_SMALL, **(model_options or {})})
        self.model = model
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

    def load_pretrained(self) -> None:
        """Load Whisper's weights from the hub (see SpeechEncoder)."""
        self.adapted.load_base(self.model, lambda: WhisperModel.from_pretrained(self.model).get_encoder().state_dict())

    def _encode(self, log_mel: Tensor) -> Tensor:
        net: Any = self.adapted.net
        hidden = F.gelu(net.conv2(F.gelu(net.conv1(log_mel)))).transpose(1, 2)
        hidden = hidden + net.embed_positions.weight[: hidden.shape[1]]
        for layer in net.layers:
            hidden = layer(hidden, None)
        normed: Tensor = net.layer_norm(hidden)
        return normed
