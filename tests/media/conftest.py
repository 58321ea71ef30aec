# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.media_clips import run_ffmpeg, write_sources
from requirements import require

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def ffmpeg() -> None:
    """Skip, and say so, where the ffmpeg program is absent."""
    require("ffmpeg")


@pytest.fixture(scope="session")
def sources(ffmpeg: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A flash-and-beep picture and sound, lossless."""
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def make_clip(sources: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Encode the flash-and-beep clip: ``make_clip("a.mp4", "-c:v", "libx264", ...)``; made once per arguments."""
    made: dict[tuple[str, ...], Path] = {}

    def make(name: str, *arguments: str, before: tuple[str, ...] = (), sound: bool = True) -> Path:
        key = (name, *arguments, *before, str(sound))
        if key not in made:
            path = tmp_path_factory.mktemp("clip") / name
            inputs = ["-i", str(sources[0]), *(["-i", str(sources[1])] if sound else [])]
            run_ffmpeg(*before, *inputs, *arguments, path)
            made[key] = path
        return made[key]

    return make


@pytest.fixture(scope="session")
def h264_mp4(make_clip: Make) -> Path:
    """The plain case."""
    return make_clip("plain.mp4", "-c:v", "libx264", "-g", "12", "-c:a", "aac")
