# SPDX-License-Identifier: Apache-2.0
"""The parts of a protocol: named sets of rows, each with the way in which a row's file is made from the clips."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cad.data.manifest import Manifest, segments_text
from cad.errors import DataError
from cad.evaluation.offsets import TRUE_OFFSET
from cad.evaluation.perturb.catalogue import REENCODED, perturb_file, perturbation
from cad.evaluation.perturb.edits import Cut, cut_clip, cut_clip_from, replace_sound, trim_leading_silence
from cad.evaluation.perturb.source import clip_info, read_pictures, read_sound
from cad.evaluation.protocols import Kind
from cad.evaluation.protocols import Protocol as Plan
from cad.evaluation.views import has_picture
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd


class Make(Protocol):
    """Writes the file that is scored for a path to ``target`` plus a suffix and returns where it lies."""

    def __call__(self, *, target: Path) -> Path:
        """Write it."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are scored together.

    Attributes:
        name: In tables and file names.
        rows: With the columns of a manifest.
        root: Folder that their paths are relative to.
        makes: How a row's file is made, by path; a path that is not here is scored as it lies on disk.
        left_out: Rows that could not take part, with the reason, counted.
    """

    name: str
    rows: pd.DataFrame
    root: Path
    makes: Mapping[str, Make]
    left_out: Mapping[str, int]


def parts_of(protocol: Plan, manifests: Mapping[str, Manifest]) -> Iterator[Part]:
    """Yield the parts of a protocol over one or several named manifests.

    Raises:
        DataError: No row is left, or the rows lack what the protocol needs.
    """
    for name, manifest in manifests.items():
        chosen = _only(manifest.select(protocol.split or None), protocol)
        kind_parts = _KINDS[protocol.kind]
        for part in kind_parts(protocol, chosen):
            title = f"{name}: {part.name}" if len(manifests) > 1 else part.name
            if part.rows.empty:
                raise DataError(f"{protocol.name}: no row is left for {title} ({dict(part.left_out)})")
            yield Part(title, part.rows.reset_index(drop=True), part.root, part.makes, part.left_out)


def sample_rows(rows: pd.DataFrame, clips: int, seed: int) -> pd.DataFrame:
    """Return at most ``clips`` rows of each class, spread over identities, the same ones for every detector."""
    if not clips:
        return rows
    order = np.array([zlib.crc32(f"{seed}:{path}".encode()) for path in rows["path"]])
    shuffled = rows.iloc[np.argsort(order, kind="stable")]
    turn = shuffled.groupby([shuffled["label"], identity_codes(shuffled["identity"].to_numpy())]).cumcount()
    spread = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")]
    return spread.groupby("label").head(clips).sort_index()


def _only(manifest: Manifest, protocol: Plan) -> Manifest:
    """Return the manifest with the rows that the protocol takes."""
    if protocol.rows == "all":
        return manifest
    chosen = has_picture(manifest.rows)
    if protocol.rows == "genuine_with_picture":
        chosen &= (manifest.rows["label"] == 0).to_numpy()
    if not chosen.any():
        raise DataError(f"{protocol.name}: the split has no row that is {protocol.rows.replace('_', ' ')}")
    return dataclasses.replace(manifest, rows=manifest.rows[chosen].reset_index(drop=True))


def _conditions(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    rows = sample_rows(manifest.rows, protocol.clips, protocol.seed)
    for condition in protocol.conditions:
        make = _CONDITIONS[condition]
        makes = {} if make is None else {path: partial(make, manifest.file(path)) for path in rows["path"]}
        yield Part(condition, rows, manifest.root, makes, {})


def _folds(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    """Yield balanced subject-independent folds: so many rows of each category, no identity in two folds."""
    rows = manifest.rows
    if rows["category"].nunique() < 2:
        raise DataError(f"{protocol.name} needs rows of several categories; there is {sorted(set(rows['category']))}")
    rng = np.random.default_rng(protocol.seed)
    codes = np.unique(identity_codes(rows["identity"].to_numpy()), return_inverse=True)[1]
    fold_of_identity = rng.permutation(int(codes.max()) + 1) % protocol.folds
    shuffled = rows.assign(fold=fold_of_identity[codes]).iloc[rng.permutation(len(rows))]
    share = -(-protocol.per_category // protocol.folds)
    for fold in range(protocol.folds):
        held = shuffled[shuffled["fold"] == fold]
        chosen = held.groupby("category").head(share).drop(columns="fold").sort_index()
        counts = chosen["category"].value_counts()
        short = {f"{name} short of {share}": int(share - count) for name, count in counts.items() if count < share}
        yield Part(f"fold {fold + 1}", chosen, manifest.root, {}, short)


def _held_out(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    rows = manifest.rows
    real = rows[rows["label"] == 0]
    for name, what in protocol.held_out.items():
        chosen = rows[(rows["category"] == what["category"]) & rows["method"].isin(what["methods"])]
        chosen = chosen[chosen["label"] == 1]
        import pandas

        yield Part(name, pandas.concat([real, chosen]).iloc[: len(real) + len(chosen) if len(chosen) else 0],
                   manifest.root, {}, {})  # fmt: skip


def _whole(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    yield Part("all rows", sample_rows(manifest.rows, protocol.clips, protocol.seed), manifest.root, {}, {})


def _robustness(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    rows = sample_rows(manifest.rows, protocol.clips, protocol.seed)
    for name, levels in {"none": (0.0,), **protocol.perturbations}.items():
        for number, level in enumerate(levels, start=1):
            change = perturbation(name, level)
            makes = {
                path: partial(perturb_file, manifest.file(path), change=change, seed=protocol.seed)
                for path in rows["path"]
            }
            yield Part(f"{name} {number}" if name != "none" else "none", rows, manifest.root, makes, {})


def _desync(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    """Yield, for each shift, genuine rows cut in step (real) and out of step (fake), then with another's voice."""
    rows = _genuine_with_both(manifest, protocol)
    lengths = {path: _common_seconds(manifest.file(path)) for path in rows["path"]}
    for shift in protocol.shifts_seconds:
        pairs = _Pairs(manifest)
        for row in rows.to_dict("records"):
            pairs.add_shift(row, shift, lengths[row["path"]], protocol.min_seconds)
        yield pairs.part(f"shift {shift:+.2f} s")
    pairs = _Pairs(manifest)
    donors = _other_people(rows, protocol.seed)
    for row in rows.to_dict("records"):
        pairs.add_dub(row, donors[row["path"]], lengths, protocol.min_seconds)
    yield pairs.part("other speaker")


def _splices(protocol: Plan, manifest: Manifest) -> Iterator[Part]:
    """Yield genuine rows, whole (rewritten) and with another voice in one stretch."""
    rows = _genuine_with_both(manifest, protocol)
    lengths = {path: _common_seconds(manifest.file(path)) for path in rows["path"]}
    paired = _paired_fakes(manifest.rows)
    donors = paired | _other_people(rows, protocol.seed, known=paired)
    rng = np.random.default_rng(protocol.seed)
    pairs = _Pairs(manifest)
    for row in rows.to_dict("records"):
        kind = "the same words, forged" if row["path"] in paired else "another person"
        donor = donors.get(row["path"], "")
        if lengths[row["path"]] < protocol.min_seconds:
            pairs.skip("shorter than the protocol asks for")
            continue
        pairs.add_splice(row, donor, kind, lengths[row["path"]], protocol.splice_seconds, rng)
    yield pairs.part("spliced voice")


class _Pairs:
    """Collects genuine rows and what is made of them, and counts what could not be made."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.rows: list[dict[str, Any]] = []
        self.makes: dict[str, Make] = {}
        self.left_out: dict[str, int] = {}

    def add_shift(self, row: Mapping[str, Any], shift: float, seconds: float, min_seconds: float) -> None:
        length = seconds - abs(shift)
        if length < min_seconds:
            self.skip("too short for this shift")
            return
        file, start = self.manifest.file(row["path"]), max(0.0, -shift)
        self._add(row, "in step", 0, cut_clip, file, true_offset=0.0, cut=Cut(start, start, length))
        # Sound from later in the file comes too early.
        self._add(row, f"shift{shift:+.2f}", 1, cut_clip, file, true_offset=-shift,
                  cut=Cut(start, start + shift, length))  # fmt: skip

    def add_dub(self, row: Mapping[str, Any], donor: str, lengths: Mapping[str, float], min_seconds: float) -> None:
        length = min(lengths[row["path"]], lengths.get(donor, 0.0))
        if length < min_seconds:
            self.skip("no donor that is long enough")
            return
        file = self.manifest.file(row["path"])
        self._add(row, "in step", 0, cut_clip, file, cut=Cut(0.0, 0.0, length))
        self._add(row, "dub", 1, cut_clip, file, cut=Cut(0.0, 0.0, length, self.manifest.file(donor)))

    def add_splice(
        self, row: Mapping[str, Any], donor: str, kind: str, seconds: float, bounds: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        length = float(rng.uniform(*bounds))
        start = float(rng.uniform(0.1, max(0.1, seconds - length - 0.1)))
        if not donor or seconds < length + 0.4:
            self.skip("no donor" if not donor else "too short for a splice")
            return
        file, voice = self.manifest.file(row["path"]), self.manifest.file(donor)
        if _common_seconds(voice) < length:
            self.skip("donor too short")
            return
        stretch = segments_text([(start, start + length)])
        self._add(row, "whole", 0, cut_clip_from, file, start_seconds=0.0)
        self._add(row, "spliced", 1, replace_sound, file, segments=stretch, method=kind, donor=voice,
                  start_seconds=start, stop_seconds=start + length)  # fmt: skip

    def part(self, name: str) -> Part:
        import pandas

        return Part(name, pandas.DataFrame(self.rows), self.manifest.root, self.makes, self.left_out)

    def _add(
        self, row: Mapping[str, Any], what: str, label: int, make: Callable[..., Path], file: Path, segments: str = "",
        method: str = "", true_offset: float = math.nan, **arguments: Any,
    ) -> None:  # fmt: skip
        path = f"{row['path']}#{what}"
        forged = {"label": label, "fake_segments": segments, "method": (method or what) if label else "real",
                  "category": what, TRUE_OFFSET: true_offset}  # fmt: skip
        # Each stream by itself stays genuine in a shift; in a splice the sound holds another voice.
        self.rows.append({**row, **forged, "path": path, "audio_fake": int(bool(segments)), "video_fake": 0})
        self.makes[path] = partial(make, file, **arguments)

    def skip(self, why: str) -> None:
        """Count a row that cannot take part."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def _genuine_with_both(manifest: Manifest, protocol: Plan) -> pd.DataFrame:
    rows = manifest.rows
    chosen = rows[(rows["label"] == 0) & has_picture(rows)]
    chosen = sample_rows(chosen, protocol.clips, protocol.seed)
    heard = [clip_info(manifest.file(path)).has_sound for path in chosen["path"]]
    kept = chosen[np.array(heard, dtype=bool)]
    if kept.empty:
        raise DataError(f"{protocol.name} needs genuine rows with picture and sound; there are none")
    return kept


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


_CONDITIONS: Mapping[str, Callable[..., Path] | None] = {
    "as_is": None,
    "rewritten": partial(cut_clip_from, start_seconds=0.0),
    "trimmed": trim_leading_silence,
    "reencoded": partial(perturb_file, change=REENCODED),
}
_KINDS: Mapping[Kind, Callable[[Plan, Manifest], Iterator[Part]]] = {
    Kind.CONDITIONS: _conditions,
    Kind.FOLDS: _folds,
    Kind.HELD_OUT: _held_out,
    Kind.TRANSFER: _whole,
    Kind.LOCALISATION: _whole,
    Kind.SPLICES: _splices,
    Kind.DESYNC: _desync,
    Kind.ROBUSTNESS: _robustness,
}
