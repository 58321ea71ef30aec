# SPDX-License-Identifier: Apache-2.0
"""Gives protocol 6 its perturbations by name: how each changes frames, sound or encoding at a level."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cad.errors import OptionError
from cad.evaluation.perturb import picture, sound
from cad.evaluation.perturb.source import Picture, Sound, clip_info, read_pictures, read_sound
from cad.evaluation.perturb.writer import Encoding, write_clip

FrameChange = Callable[[picture.Pixels, np.random.Generator], picture.Pixels]
SoundChange = Callable[[Sound, np.random.Generator], Sound]


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One perturbation at one level.

    Attributes:
        frame: Changes a frame, or None.
        sound: Changes the sound, or None.
        keep_share: Share of the frames that are kept.
        encoding: How the clip is written.
    """

    frame: FrameChange | None = None
    sound: SoundChange | None = None
    keep_share: float = 1.0
    encoding: Encoding = field(default_factory=Encoding)


#: Name -> what it is at a level; the unit of the level is in the name of the argument that it becomes.
VIDEO: Mapping[str, Callable[[float], Perturbation]] = {
    "h264_crf": lambda crf: Perturbation(encoding=Encoding(video="h264", crf=int(crf))),
    "h265_crf": lambda crf: Perturbation(encoding=Encoding(video="h265", crf=int(crf))),
    "resize": lambda scale: Perturbation(frame=lambda pixels, _: picture.resize(pixels, scale)),
    "gaussian_noise": lambda sigma: Perturbation(frame=lambda pixels, rng: picture.noise(pixels, sigma, rng)),
    "blur": lambda sigma: Perturbation(frame=lambda pixels, _: picture.blur(pixels, sigma)),
    "pixelation": lambda block_px: Perturbation(frame=lambda pixels, _: picture.pixelate(pixels, block_px)),
    "frame_drop": lambda share: Perturbation(keep_share=1 - share),
    "colour": lambda factor: Perturbation(frame=lambda pixels, _: picture.saturate(pixels, factor)),
}
AUDIO: Mapping[str, Callable[[float], Perturbation]] = {
    "additive_noise": lambda snr_db: Perturbation(sound=lambda s, rng: sound.add_noise(s, snr_db, rng)),
    "reverb": lambda rt60: Perturbation(sound=lambda s, rng: sound.reverberate(s, rt60, rng)),
    "mp3": lambda kbps: Perturbation(encoding=Encoding(audio="mp3", bit_rate_bps=int(kbps * 1000))),
    "aac": lambda kbps: Perturbation(encoding=Encoding(audio="aac", bit_rate_bps=int(kbps * 1000))),
    "opus": lambda kbps: Perturbation(encoding=Encoding(audio="opus", bit_rate_bps=int(kbps * 1000))),
    "pitch": lambda semitones: Perturbation(sound=lambda s, _: sound.shift_pitch(s, semitones)),
    "resample": lambda rate_hz: Perturbation(sound=lambda s, _: sound.limit_band(s, int(rate_hz))),
}
NAMES = (*VIDEO, *AUDIO)
#: What a clip goes through on its way over a web page that saves: H.264 at CRF 32 with AAC at 64 kb/s.
REENCODED = Perturbation(encoding=Encoding(video="h264", crf=32, audio="aac", bit_rate_bps=64_000))


def perturbation(name: str, level: float) -> Perturbation:
    """Return a perturbation at a level; ``none`` only rewrites the clip as all the others do.

    Raises:
        OptionError: There is none of that name; the message names the nearest.

    Example:
        >>> perturbation("mp3", 64).encoding.bit_rate_bps
        64000
    """
    if name == "none":
        return Perturbation()
    if make := VIDEO.get(name) or AUDIO.get(name):
        return make(level)
    near = difflib.get_close_matches(name, NAMES, n=2)
    raise OptionError(f"there is no perturbation {name!r}; nearest are {near}, known are none, {', '.join(NAMES)}")


def perturb_file(source: Path, target: Path, change: Perturbation, seed: int = 0) -> Path:
    """Write ``source`` perturbed and return where it lies (``target`` with a suffix).

    Chance depends on the file's name and the seed alone, so that every detector meets the same noise.

    Raises:
        MediaUnreadableError: The source cannot be opened.
    """
    rng = np.random.default_rng([seed, zlib.crc32(source.name.encode())])
    info = clip_info(source)
    heard = read_sound(source, info)
    if heard is not None and change.sound is not None:
        heard = change.sound(heard, rng)
    frames: Iterable[Picture] = read_pictures(source, info)
    if change.keep_share < 1:
        frames = _drop(frames, change.keep_share, rng)
    if (alter := change.frame) is not None:
        frames = (Picture(frame.seconds, alter(frame.pixels, rng)) for frame in frames)
    return write_clip(target, frames, heard, info.fps, change.encoding)


def _drop(frames: Iterable[Picture], keep_share: float, rng: np.random.Generator) -> Iterator[Picture]:
    """Yield a random share of the frames, always the first."""
    for number, frame in enumerate(frames):
        if number == 0 or rng.random() < keep_share:
            yield frame
