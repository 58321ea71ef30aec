# SPDX-License-Identifier: Apache-2.0
"""Keeps the windows of a manifest's clips on disk, cut once, for benchmarks that run several graphs on them."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cad.data.manifest import Manifest
from cad.errors import MediaError
from cad.evaluation.row_views import has_picture, sample_rows
from cad.export.clip_windows import WindowReader
from cad.spec import ModelSpec
from cad.whole_files import written_beside
from cad.windows import Window

_FIELDS = ("frames", "frames_present", "audio", "audio_present")


@dataclass(frozen=True, slots=True, eq=False)
class CachedClip:
    """The windows of one row of a manifest; none where it has neither a face nor speech."""

    row: pd.Series
    windows: list[Window]


def chosen_rows(manifest: Manifest, faces: int, sounds: int, seed: int) -> pd.DataFrame:
    """Return up to so many rows of each class with a picture, and of sound alone, spread over identities; 0 for all."""
    rows = manifest.rows
    picture = has_picture(rows)
    parts = (sample_rows(rows[mask], count, seed) for mask, count in ((picture, faces), (~picture, sounds)))
    return pd.concat(list(parts))


def cached_clips(
    manifest: Manifest, rows: pd.DataFrame, spec: ModelSpec, folder: Path, most: int
) -> Iterator[CachedClip]:
    """Yield the clips of ``rows`` with up to ``most`` windows each, from ``folder`` where they have been cut before.

    A clip that cannot be read is named on stderr and left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with WindowReader(spec) as reader:
        for number, (_, row) in enumerate(rows.iterrows()):
            file = manifest.file(row["path"])
            key = zlib.crc32(f"{row['path']} {most} {spec.window_frames} {spec.hop_frames} {spec.min_frames}".encode())
            path = folder / f"{Path(row['path']).stem}-{key:08x}.npz"
            if not path.exists():
                try:
                    windows = reader.read(file, most)
                except MediaError as error:
                    print(f"{row['path']}: {error}", file=sys.stderr)
                    continue
                _store(windows, path)
                print(f"{number + 1} of {len(rows)}: {row['path']}, {len(windows)} windows", file=sys.stderr)
            yield CachedClip(row, _load(path))


def _store(windows: list[Window], path: Path) -> None:
    arrays: dict[str, np.ndarray] = {"tracks": np.array([window.track_id is not None for window in windows], bool)}
    for index, window in enumerate(windows):
        for name in _FIELDS:
            # Sound alone has a view of one black picture, which need not be stored.
            value = getattr(window, name)
            arrays[f"{name}.{index}"] = value[:, :1, :1] if name == "frames" and window.track_id is None else value
    with written_beside(path) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)


def _load(path: Path) -> list[Window]:
    with np.load(path) as held:
        windows = []
        for index, has_track in enumerate(held["tracks"]):
            frames, *others = (held[f"{name}.{index}"] for name in _FIELDS)
            frames = np.ascontiguousarray(np.broadcast_to(frames, (len(frames), 160, 160, 3)))
            windows.append(Window(index, 0 if has_track else None, frames, *others))
    return windows
