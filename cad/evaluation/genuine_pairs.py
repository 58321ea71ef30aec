# SPDX-License-Identifier: Apache-2.0
"""Gives protocols fakes made from genuine clips, each beside a control made alike: out of step, dubbed, spliced."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cad.data.manifest import Manifest, segments_text
from cad.errors import DataError
from cad.evaluation.offsets import TRUE_OFFSET
from cad.evaluation.part import Make, Part
from cad.evaluation.perturb.edits import Cut, cut_clip, cut_clip_from, replace_sound
from cad.evaluation.perturb.source import clip_info, read_pictures, read_sound
from cad.evaluation.protocols import Protocol
from cad.evaluation.row_views import has_picture, sample_rows
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd


def desync_parts(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    """Yield, for each shift, genuine rows cut in step (real) and out of step (fake), then with another's voice."""
    rows, lengths = _genuine_with_both(manifest, protocol)
    for shift in protocol.shifts_seconds:
        pairs = _Pairs(manifest)
        for row in rows.to_dict("records"):
            length = lengths[row["path"]] - abs(shift)
            if length < protocol.min_seconds:
                pairs.left_out["too short for this shift"] += 1
                continue
            file, start = manifest.file(row["path"]), max(0.0, -shift)
            # Sound from later in the file comes too early.
            in_step, moved = Cut(start, start, length), Cut(start, start + shift, length)
            pairs.add(row, "in step", 0, partial(cut_clip, file, cut=in_step), true_offset=0.0)
            pairs.add(row, f"shift{shift:+.2f}", 1, partial(cut_clip, file, cut=moved), true_offset=-shift)
        yield pairs.part(f"shift {shift:+.2f} s")
    pairs = _Pairs(manifest)
    donors = _other_people(rows, protocol.seed)
    for row in rows.to_dict("records"):
        donor = donors[row["path"]]
        length = min(lengths[row["path"]], lengths.get(donor, 0.0))
        if length < protocol.min_seconds:
            pairs.left_out["no donor that is long enough"] += 1
            continue
        file = manifest.file(row["path"])
        pairs.add(row, "in step", 0, partial(cut_clip, file, cut=Cut(0.0, 0.0, length)))
        pairs.add(row, "dub", 1, partial(cut_clip, file, cut=Cut(0.0, 0.0, length, manifest.file(donor))))
    yield pairs.part("other speaker")


def splice_parts(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    """Yield genuine rows, whole (rewritten) and with another voice in one stretch."""
    rows, lengths = _genuine_with_both(manifest, protocol)
    paired = _paired_fakes(manifest.rows)
    donors = paired | _other_people(rows, protocol.seed, known=paired)
    rng = np.random.default_rng(protocol.seed)
    pairs = _Pairs(manifest)
    for row in rows.to_dict("records"):
        kind = "the same words, forged" if row["path"] in paired else "another person"
        donor, seconds = donors.get(row["path"], ""), lengths[row["path"]]
        if seconds < protocol.min_seconds:
            pairs.left_out["shorter than the protocol asks for"] += 1
            continue
        length = float(rng.uniform(*protocol.splice_seconds))
        start = float(rng.uniform(0.1, max(0.1, seconds - length - 0.1)))
        if not donor or seconds < length + 0.4:
            pairs.left_out["no donor" if not donor else "too short for a splice"] += 1
            continue
        file, voice = manifest.file(row["path"]), manifest.file(donor)
        if _common_seconds(voice) < length:
            pairs.left_out["donor too short"] += 1
            continue
        spliced = partial(replace_sound, file, donor=voice, start_seconds=start, stop_seconds=start + length)
        pairs.add(row, "whole", 0, partial(cut_clip_from, file, start_seconds=0.0))
        pairs.add(row, "spliced", 1, spliced, segments_text([(start, start + length)]), kind)
    yield pairs.part("spliced voice")


class _Pairs:
    """Collects genuine rows and what is made of them, and counts what could not be made."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.rows: list[dict[str, Any]] = []
        self.makes: dict[str, Make] = {}
        self.left_out: Counter[str] = Counter()

    def add(
        self, row: Mapping[str, Any], what: str, label: int, make: Make, segments: str = "", method: str = "",
        true_offset: float = math.nan,
    ) -> None:  # fmt: skip
        path = f"{row['path']}#{what}"
        forged = {"label": label, "fake_segments": segments, "method": (method or what) if label else "real",
                  "category": what, TRUE_OFFSET: true_offset}  # fmt: skip
        # Each stream by itself stays genuine in a shift; in a splice the sound holds another voice.
        self.rows.append({**row, **forged, "path": path, "audio_fake": int(bool(segments)), "video_fake": 0})
        self.makes[path] = make

    def part(self, name: str) -> Part:
        import pandas

        return Part(name, pandas.DataFrame(self.rows), self.manifest.root, self.makes, self.left_out)


def _genuine_with_both(manifest: Manifest, protocol: Protocol) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the genuine rows with picture and sound, and for how many seconds each has both, by path."""
    rows = manifest.rows
    chosen = rows[(rows["label"] == 0) & has_picture(rows)]
    chosen = sample_rows(chosen, protocol.clips, protocol.seed)
    heard = [clip_info(manifest.file(path)).has_sound for path in chosen["path"]]
    kept = chosen[np.array(heard, dtype=bool)]
    if kept.empty:
        raise DataError(f"{protocol.name} needs genuine rows with picture and sound; there are none")
    return kept, {path: _common_seconds(manifest.file(path)) for path in kept["path"]}


def _common_seconds(file: Path) -> float:
    """Return for how long a clip has both its streams."""
    info = clip_info(file)
    sound = read_sound(file, info)
    heard = 0.0 if sound is None else sound.seconds
    if info.fps is None:
        return heard
    last = max((frame.seconds for frame in read_pictures(file, info)), default=0.0)
    return min(heard, last + 1 / float(info.fps))


def _other_people(rows: pd.DataFrame, seed: int, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return for each row the path of a row of another person; rows that have a donor already are passed over."""
    rng = np.random.default_rng(seed)
    codes = identity_codes(rows["identity"].to_numpy())
    paths = rows["path"].to_numpy()
    donors: dict[str, str] = {}
    for path, code in zip(paths, codes, strict=True):
        others = paths[codes != code]
        if path not in (known or {}):
            donors[path] = str(rng.choice(others)) if len(others) else ""
    return donors


def _paired_fakes(rows: pd.DataFrame) -> dict[str, str]:
    """Return for genuine rows the path of a forged recording of the same words, where the manifest pairs them."""
    fakes = rows[(rows["audio_fake"] == 1) & (rows["pair_id"] != "")].drop_duplicates("pair_id")
    by_pair = dict(zip(fakes["pair_id"], fakes["path"], strict=True))
    real = rows[rows["label"] == 0]
    return {path: by_pair[pair] for path, pair in zip(real["path"], real["pair_id"], strict=True) if pair in by_pair}
