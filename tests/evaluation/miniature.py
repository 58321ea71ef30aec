# SPDX-License-Identifier: Apache-2.0
"""A miniature set of real media: a few people, genuine and forged, with colours that the tiny model reads."""

from __future__ import annotations

from pathlib import Path

from made_media import DARK, RED, talk, write_video, write_wav

from cad.data.manifest import Manifest, Row, frame_of, write_manifest
from cad.evaluation.records import FileScore

SECONDS = 1.8
CATEGORIES = {(0, 0): "RealVideo-RealAudio", (0, 1): "RealVideo-FakeAudio", (1, 0): "FakeVideo-RealAudio",
              (1, 1): "FakeVideo-FakeAudio"}  # fmt: skip
METHODS = {(0, 0): "real", (0, 1): "rtvc", (1, 0): "wav2lip", (1, 1): "faceswap"}
LOUD, QUIET = 0.5, 0.05  # the tiny model takes loud for forged


def rows_of_people(people: int) -> list[Row]:
    """Four clips a person, one of each category; a genuine clip and its forgeries share their pair_id."""
    return [
        Row(
            path=f"av/p{person}_{video}{audio}.mp4",
            label=int(video or audio),
            video_fake=video,
            audio_fake=audio,
            method=METHODS[video, audio],
            category=CATEGORIES[video, audio],
            identity=f"p{person}",
            pair_id=f"pair{person}",
            source=f"page{person % 2}",
            dataset="miniature",
            fake_segments=((0.2, 1.0),) if audio else (),
            split="train" if person % 2 else "val",
            duration_seconds=SECONDS,
        )
        for person in range(people)
        for video, audio in CATEGORIES
    ]


def write_set(folder: Path, people: int = 4, speech: int = 2) -> Path:
    """Write clips and manifest.csv under ``folder`` and return the manifest's path."""
    (folder / "av").mkdir(parents=True)
    (folder / "speech").mkdir()
    rows = rows_of_people(people)
    for number, row in enumerate(rows):
        sound = talk(SECONDS, LOUD if row.audio_fake else QUIET, seed=number)
        write_video(folder / row.path, SECONDS, RED if row.video_fake else DARK, sound)
    for number in range(speech):
        for fake in (0, 1):
            path = f"speech/s{number}_{fake}.wav"
            write_wav(folder / path, talk(SECONDS, LOUD if fake else QUIET, seed=100 + number))
            rows.append(Row(path, fake, -1, fake, "tts" if fake else "real", identity=f"s{number}",
                            split="train" if number % 2 else "val", source="page2"))  # fmt: skip
    write_manifest(frame_of(rows), folder / "manifest.csv")
    return folder / "manifest.csv"


class ByLabel:
    """A scorer that knows the truth of some paths and is unsure of the rest; it looks whether the file is there."""

    identity = "by label"
    thresholds = {"file": 0.5, "video": 0.5, "audio": 0.5, "sync": 0.5, "fused": 0.5}  # noqa: RUF012

    def __init__(self, manifest: Manifest) -> None:
        self.labels = dict(zip(manifest.rows["path"], manifest.rows["label"], strict=True))
        self.seen: list[tuple[str, str]] = []

    def score(self, path: str, file: Path) -> FileScore:
        assert file.is_file()
        self.seen.append((path, file.suffix))
        forged = any(word in path for word in ("#shift", "#dub", "#spliced"))
        p = 0.9 if forged or self.labels.get(path) else 0.2
        segments = ((0.3, 1.0, 0.8, "audio"),) if "#spliced" in path or self.labels.get(path) else ()
        return FileScore(path, "fake" if p > 0.5 else "real", dict.fromkeys(self.thresholds, p),
                         {"fused": p}, segments)  # fmt: skip
