# SPDX-License-Identifier: Apache-2.0
"""NetConfig tells a network its whole architecture, as one record that travels as JSON; CadConfig is CadModel's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cad.errors import OptionError
from cad.spec import HEADS, STREAMS

FUSIONS = ("streams", "strongest", "concat")
#: Who may judge the picture: the small face encoder's tokens and the large one's.
FACE_JUDGES = ("small", "large")
#: Of the whole encoder of Whisper, where no other is asked for: the largest that an ordinary package carries.
WHISPER_SIZE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConfig:
    """What every network's architecture says.

    Attributes:
        name: Name in the registry.
        window_frames: Slots of the windows that it is trained on.
        min_frames: Slots of the shortest window for which its answer means something.
    """

    name: str
    window_frames: int = 50
    min_frames: int = 10

    @property
    def heads(self) -> tuple[str, ...]:
        """Which of HEADS the network has; the logits of the others say nothing."""
        return HEADS

    @property
    def starts(self) -> Mapping[str, str]:
        """What it begins from where a caller may say where that is: names of ``PUBLISHED`` by the caller's name."""
        return {}

    def replace(self, **options: Any) -> Self:
        """Return a copy with other options.

        Raises:
            OptionError: An option is unknown, or a value is not accepted.
        """
        known = {item.name for item in dataclasses.fields(self)}
        unknown = sorted(options.keys() - known)
        if unknown:
            raise OptionError(f"{self.name}: unknown options {unknown}; there are {', '.join(sorted(known))}")
        # Options come from YAML and JSON, which have no tuples.
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        return dataclasses.replace(self, **options)

    def to_json(self) -> str:
        """Return the text that is stored in a checkpoint."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CadConfig(NetConfig):
    """Architecture of a CAD network; the defaults are ``cad_small``.

    Attributes:
        name: Name in the registry.
        face_encoder: Name of the encoder of the whole face.
        face_options: Its options.
        large_face_encoder: Name of a second encoder of the face with a judge of its own; None for none.
        large_face_options: Its options.
        face_judges: Which of FACE_JUDGES the picture's logit rests on; ``large`` counts where there is such an encoder.
        lip_encoder: Name of the encoder of the mouth region; None aligns the face encoder's shared path instead.
        lip_options: Its options.
        speech_encoder: Name of the encoder of the sound.
        speech_options: Its options.
        width: Features of the specific, shared and joint representation and of the embeddings.
        streams: Heads in use; a stream left out counts as absent everywhere.
        align_with_mel: Let alignment see each slot's spectrogram besides the speech tokens.
        video_uses_lips: Let the video head see the lip tokens besides the face tokens.
        fusion: ``streams`` builds the fused logit from the streams' logits and a residual; ``strongest`` lets the
            strongest stream's evidence stand alone; ``concat`` is a plain network on the concatenated features.
        head_dropout: Dropout before the streams' logits.
        voice_change: Let the audio head see how speech tokens change besides their mean and deviation.
        voice_members: Of how many small networks the audio head is the mean.
        fusion_dropout: Dropout inside the fusion.
        band_slots: Half-width of the band of cross-attention, in slots.
        lag_slots: Largest lag at which sound and lips are compared, in slots.
        local_slots: Length of the stretch behind a frame logit, in slots, odd.
        prototypes: Number of prototypes of the frame distributions.
    """

    name: str = "cad_small"
    face_encoder: str = "efficientnet_lite0"
    face_options: Mapping[str, Any] = field(default_factory=dict)
    large_face_encoder: str | None = None
    large_face_options: Mapping[str, Any] = field(default_factory=dict)
    face_judges: tuple[str, ...] = FACE_JUDGES
    lip_encoder: str | None = "lip_shapes"
    lip_options: Mapping[str, Any] = field(default_factory=dict)
    speech_encoder: str = "whisper_layers"
    speech_options: Mapping[str, Any] = field(default_factory=dict)
    width: int = 128
    streams: tuple[str, ...] = STREAMS
    align_with_mel: bool = True
    video_uses_lips: bool = False
    fusion: str = "strongest"
    head_dropout: float = 0.5
    voice_change: bool = True
    voice_members: int = 4
    fusion_dropout: float = 0.3
    band_slots: int = 10
    lag_slots: int = 25
    local_slots: int = 13
    prototypes: int = 64

    def __post_init__(self) -> None:
        unknown = sorted(set(self.streams) - set(STREAMS))
        if unknown or not self.streams:
            raise OptionError(f"streams must be some of {', '.join(STREAMS)}, got {self.streams!r}")
        if self.fusion not in FUSIONS:
            raise OptionError(f"fusion must be one of {', '.join(FUSIONS)}, got {self.fusion!r}")
        usable = {"small"} if self.large_face_encoder is None else set(FACE_JUDGES)
        if not set(self.face_judges) <= set(FACE_JUDGES) or not usable & set(self.face_judges):
            raise OptionError(
                f"face_judges must be some of {', '.join(FACE_JUDGES)}, and large alone needs a large_face_encoder; "
                f"got {self.face_judges!r}"
            )
        if self.local_slots % 2 == 0:
            raise OptionError(f"local_slots must be odd, got {self.local_slots}")

    @property
    def heads(self) -> tuple[str, ...]:
        """The streams in use, and fused where there is something to fuse."""
        streams = tuple(stream for stream in STREAMS if stream in self.streams)
        return ("fused", *streams) if len(streams) > 1 else streams

    @property
    def starts(self) -> Mapping[str, str]:
        """What the large encoders begin from; the small ones begin from packages alone."""
        whisper = f"whisper_{self.speech_options.get('size', WHISPER_SIZE)}"
        clip = {"clip": "clip"} if "clip_vit" in (self.face_encoder, self.large_face_encoder) else {}
        return {**clip, **({"whisper": whisper} if self.speech_encoder == "whisper_hub" else {})}
