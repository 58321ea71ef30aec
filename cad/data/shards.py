# SPDX-License-Identifier: Apache-2.0
"""Shards of training clips for training and its tools: ``ShardWriter`` makes them, ``ClipStore`` reads them.

A shard is a WebDataset tar whose members are also opened by name and memory-mapped. One clip is one sample of up to
four members, which share the clip's escaped key::

    <key>.frames.npy  uint8 (slots, 192, 192, 3)     absent without picture
    <key>.points.npy  float32 (slots, 5, 2)          absent without picture
    <key>.audio.npy   int16 (slots * 640,)           absent without sound
    <key>.json        {"key", "slots", "frames_present", "audio_present", "row": {manifest columns}}

``ClipStore`` reads local files in any order, and only the frames that are asked for.
"""

from __future__ import annotations

import glob
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME, seconds_of
from cad.data.records import Clip
from cad.errors import DataError

#: Size in bytes at which a shard is closed: a killed run loses little, and a network still reads in long stretches.
DEFAULT_SHARD_BYTES = 128 * 2**20

_PCM16_SCALE = 32768.0


def escape_key(key: str) -> str:
    """Return ``key`` as a tar member's stem; WebDataset ends the stem at the first dot, so dots are escaped.

    Example:
        >>> escape_key("av/grid_s1/bbaf2n.mp4")
        'av/grid_s1/bbaf2n%2Emp4'
    """
    return key.replace("%", "%25").replace(".", "%2E")


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """What a shard tells of one clip before its pixels and samples are read.

    Attributes:
        key: Unique name (the manifest's path).
        slots: Length on the 25 Hz grid.
        frames_present: bool (slots,), all False without picture.
        audio_present: bool (slots,), all False without sound.
        row: The manifest's columns, as text; labels are numbers, in older shards words.
        start_seconds: See Clip; 0 in older shards.
        offsets: Byte at which each array's data starts in the tar, by suffix.
    """

    key: str
    slots: int
    frames_present: NDArray[np.bool_]
    audio_present: NDArray[np.bool_]
    row: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 0.0
    offsets: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def has_frames(self) -> bool:
        """Whether any slot has a face."""
        return bool(self.frames_present.any())

    @property
    def has_audio(self) -> bool:
        """Whether any slot has sound."""
        return bool(self.audio_present.any())


class ShardWriter:
    """Writes clips into numbered shards; a shard appears under its name only when it is complete.

    A run that was killed leaves a ``.part`` file, which the next writer of the same folder and prefix discards; the
    clips of complete shards are in ``done_keys`` and need not be made again.

    Args:
        folder: Where the shards go; made if absent.
        prefix: Shards are called ``<prefix>-000000.tar`` and so on.
        shard_bytes: Size at which a shard is closed.

    Raises:
        DataError: A complete shard of that prefix cannot be read.

    Example:
        >>> import tempfile
        >>> clip = Clip("a.wav", None, None, np.zeros(5, bool), np.zeros(3200, np.float32), np.ones(5, bool))
        >>> folder = tempfile.mkdtemp()
        >>> with ShardWriter(folder, "train") as writer:
        ...     writer.write(clip, {"label": "real"})
        >>> ClipStore(folder).keys
        ('a.wav',)
    """

    def __init__(self, folder: str | Path, prefix: str, shard_bytes: int = DEFAULT_SHARD_BYTES) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._prefix = prefix
        self._shard_bytes = shard_bytes
        for stale in self._folder.glob(f"{prefix}-*.tar.part"):
            stale.unlink()
        complete = sorted(self._folder.glob(f"{glob.escape(prefix)}-{'[0-9]' * 6}.tar"))
        self.done_keys: set[str] = {key for path in complete for key in _scan(path)}
        self._next = int(complete[-1].stem[-6:]) + 1 if complete else 0
        self._tar: tarfile.TarFile | None = None

    @property
    def _part(self) -> Path:
        return self._folder / f"{self._prefix}-{self._next:06d}.tar.part"

    def write(self, clip: Clip, row: Mapping[str, str] | None = None) -> None:
        """Add one clip with its manifest row.

        Raises:
            DataError: The key was written before, the clip has no slot, or its arrays do not fit each other.
        """
        if clip.key in self.done_keys:
            raise DataError(f"{clip.key} is in the shards already")
        members = _members_of(clip, dict(row or {}))
        if self._tar is None:
            self._tar = tarfile.open(self._part, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - kept open
        for suffix, data in members:
            info = tarfile.TarInfo(f"{escape_key(clip.key)}.{suffix}")
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))
        self.done_keys.add(clip.key)
        if self._tar.offset >= self._shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Close the current shard, so that what was written so far can be read."""
        if self._tar is None:
            return
        self._tar.close()
        self._tar = None
        self._part.replace(self._part.with_suffix(""))
        self._next += 1

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        # Every sample in the file is complete even when an exception ends the run.
        self.flush()


def _members_of(clip: Clip, row: dict[str, str]) -> list[tuple[str, bytes]]:
    slots = clip.slots
    if slots == 0:
        raise DataError(f"{clip.key} has no slot")
    members: list[tuple[str, bytes]] = []
    if clip.frames is not None:
        points = clip.points_px
        if len(clip.frames) != slots or points is None or points.shape != (slots, 5, 2):
            raise DataError(f"{clip.key}: frames and points must have {slots} slots")
        members += [("frames.npy", _npy(clip.frames)), ("points.npy", _npy(points.astype(np.float32)))]
    if clip.audio is not None:
        if clip.audio.shape != (slots * SAMPLES_PER_FRAME,) or len(clip.audio_present) != slots:
            raise DataError(f"{clip.key}: audio must have {slots * SAMPLES_PER_FRAME} samples, got {clip.audio.shape}")
        pcm = np.clip(np.round(clip.audio * _PCM16_SCALE), -_PCM16_SCALE, _PCM16_SCALE - 1)
        members.append(("audio.npy", _npy(pcm.astype(np.int16))))
    meta = {
        "key": clip.key,
        "slots": slots,
        "frames_present": clip.frames_present.astype(int).tolist(),
        "audio_present": clip.audio_present.astype(int).tolist(),
        "start_seconds": clip.start_seconds,
        "row": {"identity": clip.identity, "source": clip.source, "pair_id": clip.pair_id} | row,
    }
    members.append(("json", json.dumps(meta).encode()))
    return members


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getvalue()


def _scan(path: Path) -> dict[str, ClipEntry]:
    """Return the clips of one shard by key; only headers and the JSON members are read."""
    offsets: dict[str, dict[str, int]] = {}
    metas: dict[str, Mapping[str, Any]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                stem = f"{folder}/{stem}" if folder else stem
                offsets.setdefault(stem, {})[suffix] = member.offset_data
                if suffix == "json":
                    stream = tar.extractfile(member)
                    metas[stem] = json.loads(stream.read() if stream else b"")
        return {
            meta["key"]: ClipEntry(
                key=meta["key"],
                slots=int(meta["slots"]),
                frames_present=np.asarray(meta["frames_present"], bool),
                audio_present=np.asarray(meta["audio_present"], bool),
                row={name: str(value) for name, value in meta["row"].items()},
                start_seconds=float(meta.get("start_seconds", 0.0)),
                offsets=offsets[stem],
            )
            for stem, meta in metas.items()
        }
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a shard of clips ({error})") from error


def shard_paths(where: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the shards named by a folder, a file, a glob pattern, or several of these; sorted, each once.

    Raises:
        DataError: Something that was named does not exist or holds no ``.tar`` file.
    """
    places = [where] if isinstance(where, str | Path) else list(where)
    found: set[Path] = set()
    for place in map(Path, places):
        matches = list(place.glob("*.tar")) if place.is_dir() else list(place.parent.glob(place.name))
        if not matches:
            raise DataError(f"{place}: no shard (.tar) there; make them with tools/data/make_shards.py")
        found.update(matches)
    return sorted(found)


class ClipStore:
    """Random access to the clips of local shards through memory maps.

    Worker processes may get a store: each opens its own maps when it first uses them.

    Args:
        where: A folder, a shard, a glob pattern, or several of these.

    Raises:
        DataError: No shard there, a shard cannot be read, or a key occurs twice.
    """

    def __init__(self, where: str | Path | Iterable[str | Path]) -> None:
        self._entries: dict[str, ClipEntry] = {}
        self._shard_of: dict[str, Path] = {}
        for path in shard_paths(where):
            for key, entry in _scan(path).items():
                if key in self._entries:
                    raise DataError(f"{key} is in both {self._shard_of[key]} and {path}")
                self._entries[key] = entry
                self._shard_of[key] = path
        self._maps: dict[Path, NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[ClipEntry]:
        return iter(self._entries.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """Every clip's key, in shard order."""
        return tuple(self._entries)

    def entry(self, key: str) -> ClipEntry:
        """Return what is known of a clip without reading it.

        Raises:
            DataError: There is no such clip.
        """
        try:
            return self._entries[key]
        except KeyError:
            raise DataError(f"{key} is in none of the shards") from None

    def read(self, key: str, start_slot: int = 0, stop_slot: int | None = None) -> Clip:
        """Return slots [start, stop) of a clip, cut to its length.

        ``frames`` is a read-only view of the file: pixels are read from the disk when they are used, so that a whole
        clip can be handed over where only a window of it is needed.

        Raises:
            DataError: There is no such clip, the stretch is empty, or the shard is damaged.
        """
        entry = self.entry(key)
        start = max(start_slot, 0)
        stop = entry.slots if stop_slot is None else min(stop_slot, entry.slots)
        if stop <= start:
            raise DataError(f"{key} has {entry.slots} slots; [{start_slot}, {stop_slot}) holds none of them")
        frames = self._array(key, "frames.npy")
        points = self._array(key, "points.npy")
        audio = self._array(key, "audio.npy")
        samples = slice(start * SAMPLES_PER_FRAME, stop * SAMPLES_PER_FRAME)
        return Clip(
            key=key,
            frames=None if frames is None else frames[start:stop],
            points_px=None if points is None else np.array(points[start:stop], np.float32),
            frames_present=entry.frames_present[start:stop].copy(),
            audio=None if audio is None else _as_float(audio[samples]),
            audio_present=entry.audio_present[start:stop].copy(),
            identity=entry.row.get("identity", ""),
            source=entry.row.get("source", ""),
            pair_id=entry.row.get("pair_id", ""),
            start_seconds=entry.start_seconds + seconds_of(start),
        )

    def _array(self, key: str, suffix: str) -> NDArray[Any] | None:
        offset = self._entries[key].offsets.get(suffix)
        if offset is None:
            return None
        path = self._shard_of[key]
        try:
            if path not in self._maps:
                self._maps[path] = np.memmap(path, np.uint8, "r")
            return _npy_view(self._maps[path], offset)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {key}.{suffix} cannot be read ({error})") from error


def _npy_view(data: NDArray[np.uint8], offset: int) -> NDArray[Any]:
    """Return the array of the .npy file that starts at ``offset`` of ``data``, without a copy."""
    header = io.BytesIO(data[offset : offset + 4096].tobytes())
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError("not a .npy file of version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(header)
    if fortran:
        raise ValueError("the array is in Fortran order")
    start = offset + header.tell()
    stop = start + int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(data[start:stop], dtype).reshape(shape)


def _as_float(audio: NDArray[Any]) -> NDArray[np.float32]:
    return np.array(audio / np.float32(_PCM16_SCALE) if audio.dtype == np.int16 else audio, np.float32)
