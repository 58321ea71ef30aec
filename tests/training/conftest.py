# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import talk

from cad.data.records import Clip
from cad.data.shards import ShardWriter
from cad.faces.records import CANONICAL_POINTS_PX

FACES, SPEECH, SLOTS = 4, 2, 40


def made_clip(key: str, rng: np.random.Generator, identity: str, source: str, face: bool) -> Clip:
    """A grey head whose mouth opens with the loudness of a voice."""
    # Louder and softer as speech is, but never silent.
    syllables = (0.15 + 0.85 * np.abs(np.sin(np.cumsum(rng.uniform(0.15, 0.5, SLOTS))))).astype(np.float32)
    audio = talk(SLOTS / 25, 0.4, seed=int(rng.integers(100))) * np.repeat(syllables, 640)
    frames = points = None
    if face:
        frames = np.full((SLOTS, 192, 192, 3), rng.integers(90, 160), np.uint8)
        points = np.repeat(CANONICAL_POINTS_PX[None] + 16, SLOTS, axis=0).astype(np.float32)
        for frame, opening in zip(frames, syllables, strict=True):
            cv2.ellipse(frame, (96, 122), (16, 2 + int(12 * opening)), 0, 0, 360, (40, 10, 10), -1)
    return Clip(
        key=key,
        frames=frames,
        points_px=points,
        frames_present=np.full(SLOTS, face),
        audio=audio,
        audio_present=np.ones(SLOTS, bool),
        identity=identity,
        source=source,
        pair_id="",
    )


def manifest_fields(clip: Clip, label: str, split: str) -> dict[str, str]:
    fake = str(int(label == "fake"))
    return {
        "path": clip.key,
        "label": label,
        "video_fake": fake if clip.frames is not None else "-1",
        "audio_fake": fake,
        "method": "real" if label == "real" else "made",
        "identity": clip.identity,
        "pair_id": "",
        "source": clip.source,
        "split": split,
    }


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small shards in which both classes, both splits, faces and speech occur."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(7)
    with ShardWriter(folder, "made") as writer:
        for split in ("train", "val"):
            for label in ("real", "fake"):
                for kind, count in (("av", FACES), ("speech", SPEECH)):
                    for number in range(count):
                        key = f"{kind}/{split}_{label}_{number}"
                        source = f"{kind}_page{number % 2}"
                        clip = made_clip(key, rng, f"{split}_{kind}_{number}", source, kind == "av")
                        writer.write(clip, manifest_fields(clip, label, split))
    return folder
