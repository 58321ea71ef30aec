# SPDX-License-Identifier: Apache-2.0
"""Draw a sheet of every kind of forgery: genuine, forged and what changed, so that a person can look at them.

    python tools/data/forge_sheet.py --out docs/images/forge_sheet.jpg

Without ``--shards`` the face is NASA's portrait of astronaut Eileen Collins (public domain, from scikit-image) as a
puppet, and the voice is made from a formula. With ``--shards`` the clips of a folder of shards are used; such a sheet
shows people and stays private.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.command import run_command
from cad.data.forge import DonorPool, Stream, forge, genuine, get_forger
from cad.data.forge.learned import usable_forgers
from cad.data.forge.mouth_warp import warp_mouth_in_place
from cad.data.forge.spectra import mel_filters, stft
from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX, Clip, LabeledClip
from cad.data.shards import ClipStore
from cad.faces.records import CANONICAL_POINTS_PX

SLOTS = 50
CELL_PX = 112
SOUND_HEIGHT_PX = 56
LABEL_PX = 14
#: Eyes, nose tip and mouth corners in scikit-image's portrait, read off by hand.
PORTRAIT_POINTS = np.array([[203, 101], [246, 103.7], [221, 125], [205.5, 140], [243.7, 141]], dtype=np.float32)

Picture = NDArray[np.uint8]


def portrait_clip(slots: int, seed: int, identity: str) -> Clip:
    """Return the portrait as a puppet whose mouth follows a made-up voice."""
    from skimage import data

    rng = np.random.default_rng(seed)
    audio, loudness = made_voice(slots, rng)
    target = CANONICAL_POINTS_PX + CROP_MARGIN_PX
    matrix, _ = cv2.estimateAffinePartial2D(PORTRAIT_POINTS, target, method=cv2.LMEDS)
    crop = cv2.warpAffine(data.astronaut(), matrix, (STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX))
    frames = np.repeat(crop[None], slots, axis=0)
    opening = 6 * loudness - 1
    drive = np.stack([opening, 0.3 * opening, 0 * opening, 0 * opening], axis=1).astype(np.float32)
    warp_mouth_in_place(frames, target, 40.0, drive, cv2.INTER_CUBIC)
    frames = np.clip(frames + rng.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)
    present = np.ones(slots, dtype=bool)
    points = np.repeat(target[None], slots, axis=0).astype(np.float32)
    return Clip(f"{identity}/{seed}", frames, points, present, audio, present.copy(), identity=identity)


def made_voice(slots: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return sound float32 (slots * 640,) like vowels and fricatives, and its loudness in [0, 1] by slot."""
    time = np.arange(slots * SAMPLES_PER_FRAME) / 16_000
    envelope = np.clip(np.sin(2 * np.pi * 3.3 * time + rng.uniform(0, 6)) + 0.5, 0, 1.5) / 1.5
    pitch = rng.uniform(110, 200) * (1 + 0.12 * np.sin(2 * np.pi * 0.8 * time + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    formants = [(550, 250, 90), (1500, 600, 120), (2600, 250, 200), (3600, 150, 300)]
    tracks = [
        (middle + swing * np.sin(2 * np.pi * 1.7 * time + rng.uniform(0, 6)), width)
        for middle, swing, width in formants
    ]
    voice = np.zeros_like(time)
    for order in range(1, 40):
        hz = order * pitch
        gain = sum(1 / (1 + ((hz - track) / (2 * width)) ** 2) for track, width in tracks)
        voice += np.where(hz < 7500, gain * np.cos(order * phase), 0) / order**0.5
    hiss = np.diff(rng.standard_normal(len(time)), prepend=0)
    hiss *= np.clip(np.sin(2 * np.pi * 3.3 * time + 2.5) - 0.7, 0, 1)
    sound = 0.08 * voice * envelope + 0.12 * hiss + 0.001 * rng.standard_normal(len(time))
    return sound.astype(np.float32), envelope[::SAMPLES_PER_FRAME].astype(np.float32)


def clips_of_shards(folder: Path, count: int, rng: np.random.Generator) -> list[Clip]:
    """Return up to ``count`` genuine clips with picture and sound, at least 3 s long."""
    store = ClipStore(folder)
    long_enough = [entry for entry in store if entry.slots >= 70 and entry.is_genuine]
    keys = [entry.key for entry in long_enough if entry.frames_present.all() and entry.has_audio]
    return [store.read(keys[index]) for index in rng.permutation(len(keys))[:count]]


def picture_row(real: LabeledClip, forged: LabeledClip) -> Picture:
    """Return genuine, forged, forged some slots later, and four times the difference, at the slot that changed most."""
    old, new = real.clip.frames, forged.clip.frames
    assert old is not None and new is not None
    slot = int(np.abs(old.astype(np.int16) - new).mean(axis=(1, 2, 3)).argmax())
    later = min(slot + 3, len(new) - 1)
    change = np.clip(128 + 4 * (new[slot].astype(np.int16) - old[slot]), 0, 255).astype(np.uint8)
    cells = [old[slot], new[slot], new[later], change]
    return np.hstack([cv2.resize(cell, (CELL_PX, CELL_PX), interpolation=cv2.INTER_AREA) for cell in cells])


def mel_picture(labeled: LabeledClip) -> Picture:
    """Return the log-mel spectrum of the sound as a picture of SOUND_HEIGHT_PX by about two cells."""
    audio = labeled.clip.audio
    assert audio is not None
    filters, _ = mel_filters(512, 64, 0.0, 8000.0)
    level = np.log(np.abs(stft(audio, 512, 128)) @ filters.T + 1e-3)
    shown = np.clip((level.T[::-1] + 7) / 9 * 255, 0, 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(shown, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return cv2.resize(coloured, (2 * CELL_PX - 2, SOUND_HEIGHT_PX), interpolation=cv2.INTER_AREA)


def with_label(row: Picture, text: str) -> Picture:
    """Return ``row`` with ``text`` above it."""
    strip = np.full((LABEL_PX, row.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(strip, text, (2, LABEL_PX - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([strip, row])


def rows_of(clips: list[Clip], pool: DonorPool, seed: int) -> Iterator[tuple[bool, Picture]]:
    """Yield, for every kind, whether it changes the picture, and its row."""
    for number, name in enumerate(usable_forgers()):
        for attempt in range(12):
            clip = clips[(number + attempt) % len(clips)]
            draws = [np.random.default_rng([seed, number, attempt]) for _ in range(2)]
            forged = forge(clip, draws[0], pool, {name: 1.0}, slots=SLOTS, second_share=0)
            if forged is not None:
                break
        else:
            continue
        real = genuine(clip, draws[1], SLOTS)
        is_picture = Stream.VIDEO in get_forger(name).sets
        row = picture_row(real, forged) if is_picture else np.hstack([mel_picture(real), mel_picture(forged)])
        yield is_picture, with_label(row, f"{name}  {described(forged)}")


def described(forged: LabeledClip) -> str:
    """Return the labels in words, with the forged stretches in seconds."""
    tracks = (("video", forged.video_fake), ("audio", forged.audio_fake), ("sync", forged.sync_fake))
    places = {stream: np.flatnonzero(track > 0) for stream, track in tracks}
    words = [f"{name} {at[0] / 25:.2f}-{(at[-1] + 1) / 25:.2f} s" for name, at in places.items() if len(at)]
    if forged.offset_seconds:
        words.append(f"lag {forged.offset_seconds:+.2f} s")
    return ", ".join(words)


def sheet(clips: list[Clip], pool: DonorPool, seed: int) -> Picture:
    """Return the whole picture: forged faces at the left, forged sound at the right."""
    rows = list(rows_of(clips, pool, seed))
    left, right = (np.vstack([row for is_picture, row in rows if is_picture is side]) for side in (True, False))
    tall = max(len(left), len(right))
    # Eight white columns stand between the two.
    left = np.pad(left, ((0, tall - len(left)), (0, 8), (0, 0)), constant_values=255)
    right = np.pad(right, ((0, tall - len(right)), (0, 0), (0, 0)), constant_values=255)
    return np.hstack([left, right])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the picture to write (.jpg or .png)")
    parser.add_argument("--shards", type=Path, help="folder of shards to take clips from, instead of the portrait")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", type=int, default=82, help="of a JPEG, 0 to 100")
    return run_command(lambda: draw(parser.parse_args(words)), "forge_sheet")


def draw(options: argparse.Namespace) -> int:
    if options.shards:
        clips = clips_of_shards(options.shards, 8, np.random.default_rng(options.seed))
    else:
        clips = [portrait_clip(110, 1, "a"), portrait_clip(110, 2, "a"), portrait_clip(110, 3, "b")]
    engine = [replace(clip, identity="engine", key=f"engine/{clip.key}") for clip in clips[-1:]]
    picture = sheet(clips, DonorPool(clips, engine), options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, options.quality])
    print(f"{options.out}: {picture.shape[1]}x{picture.shape[0]} px, {options.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
