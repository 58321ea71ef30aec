# SPDX-License-Identifier: Apache-2.0
"""Shards of training clips for training and its tools: ``ShardWriter`` makes them, ``ClipStore`` reads them.

A shard is a WebDataset tar whose members are also opened by name and memory-mapped. One clip is one sample of up to
six members, which share the clip's escaped key::

    <key>.frames.mjpeg  JPEG of every slot with a face   absent without picture
    <key>.outside.pngs  PNG of one bit a pixel           where the source picture had ended; absent if it nowhere had
    <key>.sizes.npy     int32 (slots, 2)                 bytes of each slot's picture and outside, 0 for none
    <key>.points.npy    float32 (slots, 5, 2)            absent without picture
    <key>.audio.npy     int16 (slots * 640,)             absent without sound
    <key>.json          {"key", "slots", "frames_present", "audio_present", "row": {manifest columns}}

Uncoded shards have ``<key>.frames.npy``, uint8 (slots, 192, 192, 3), instead of the first three. ``ClipStore`` reads
local files of both kinds in any order, and only the frames that are asked for.
"""

from __future__ import annotations

import glob
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME, seconds_of
from cad.data.crop_coding import CodedCrops, as_frames, code_crops
from cad.data.manifest import LABEL_WORDS
from cad.data.records import Clip
from cad.errors import DataError

#: Size in bytes at which a shard is closed: a killed run loses little, and a network still reads in long stretches.
DEFAULT_SHARD_BYTES = 128 * 2**20

#: How crops are kept: as JPEG pictures or as they are, many times as large.
Coding = Literal["jpeg", "raw"]
#: Suffix and bytes of one file in a shard.
Member = tuple[str, bytes]
#: A folder, a shard, a glob pattern, or several of these.
Places = str | Path | Iterable[str | Path]

_PCM16_SCALE = 32768.0
#: Each open map holds a file descriptor, of which a process may have a thousand; large sets have more shards.
_MOST_MAPS = 256


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

    @property
    def is_genuine(self) -> bool:
        """Whether its row says that it is genuine."""
        return LABEL_WORDS.get(self.row.get("label", "")) == 0


class ShardWriter:
    """Writes clips into numbered shards; a shard appears under its name only when it is complete.

    A run that was killed leaves a ``.part`` file, which the next writer of the same folder and prefix discards; the
    clips of complete shards are in ``done_keys`` and need not be made again.

    Args:
        folder: Where the shards go; made if absent.
        prefix: Shards are called ``<prefix>-000000.tar`` and so on.
        shard_bytes: Size at which a shard is closed.

    Raises:
        DataError: A complete shard of that folder cannot be read.

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
        own = f"{glob.escape(prefix)}-{'[0-9]' * 6}.tar"
        for stale in self._folder.glob(f"{own}.part"):
            stale.unlink()
        #: Clips of the whole folder, whatever the prefix: a store of it must not meet one twice.
        self.done_keys: set[str] = {key for path in self._folder.glob("*.tar") for key in _scan(path)}
        complete = sorted(self._folder.glob(own))
        self._next = int(complete[-1].stem[-6:]) + 1 if complete else 0
        self._tar: tarfile.TarFile | None = None

    @property
    def _part(self) -> Path:
        return self._folder / f"{self._prefix}-{self._next:06d}.tar.part"

    def write(self, clip: Clip, row: Mapping[str, str] | None = None, coding: Coding = "jpeg") -> None:
        """Add one clip with its manifest row.

        Raises:
            DataError: The key was written before, the clip has no slot, or its arrays do not fit each other.
        """
        self.add(clip.key, clip_members(clip, row, coding))

    def add(self, key: str, members: Sequence[Member]) -> None:
        """Add the members that ``clip_members`` made; a clip is in the shard whole or not at all.

        Raises:
            DataError: The key was written before.
            OSError: The disk is full, say; the clips before this one stay.
        """
        if key in self.done_keys:
            raise DataError(f"{key} is in the shards already")
        if self._tar is None:
            self._tar = tarfile.open(self._part, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - kept open
        before = self._tar.offset
        try:
            for suffix, data in members:
                info = tarfile.TarInfo(f"{escape_key(key)}.{suffix}")
                info.size = len(data)
                self._tar.addfile(info, io.BytesIO(data))
        except BaseException:
            # Ctrl-C, too, may come between two members.
            file = cast(IO[bytes], self._tar.fileobj)
            file.seek(before)
            file.truncate()
            self._tar.offset = before
            raise
        self.done_keys.add(key)
        if self._tar.offset >= self._shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Close the current shard, so that what was written so far can be read."""
        if self._tar is None:
            return
        tar, self._tar = self._tar, None
        if tar.offset:
            tar.close()
            self._part.replace(self._part.with_suffix(""))
            self._next += 1
        else:
            cast(IO[bytes], tar.fileobj).close()
            self._part.unlink()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        # Every sample in the file is complete even when an exception ends the run.
        self.flush()


def clip_members(clip: Clip, row: Mapping[str, str] | None = None, coding: Coding = "jpeg") -> list[Member]:
    """Return what a shard holds of a clip, suffix and bytes of each member; crops that are coded stay as they are.

    Raises:
        DataError: The clip has no slot, or its arrays do not fit each other.
    """
    slots = clip.slots
    if slots == 0:
        raise DataError(f"{clip.key} has no slot")
    members: list[Member] = []
    if clip.frames is not None:
        points = clip.points_px
        if len(clip.frames) != slots or points is None or points.shape != (slots, 5, 2):
            raise DataError(f"{clip.key}: frames and points must have {slots} slots")
        members += _picture_members(clip.frames, clip.frames_present, coding)
        members.append(("points.npy", _npy(points.astype(np.float32))))
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
        "row": {"identity": clip.identity, "source": clip.source, "pair_id": clip.pair_id} | dict(row or {}),
    }
    members.append(("json", json.dumps(meta, separators=(",", ":")).encode()))
    return members


def _picture_members(
    frames: NDArray[np.uint8] | CodedCrops, present: NDArray[np.bool_], coding: Coding
) -> list[Member]:
    if coding == "raw":
        return [("frames.npy", _npy(np.asarray(frames)))]
    coded = frames if isinstance(frames, CodedCrops) else code_crops(frames, present)
    pictures, masks, sizes = coded.files()
    outside = [("outside.pngs", masks)] if masks else []
    return [("frames.mjpeg", pictures), *outside, ("sizes.npy", _npy(sizes))]


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
        raise DataError(f"{path}: not a shard of clips ({error}); a damaged one is to be removed") from error


def shard_paths(where: Places) -> list[Path]:
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

    def __init__(self, where: Places) -> None:
        self._entries: dict[str, ClipEntry] = {}
        self._shard_of: dict[str, Path] = {}
        self._maps: dict[Path, NDArray[np.uint8]] = {}
        self._hold("", where)

    @classmethod
    def of_sets(cls, sets: Mapping[str, Places]) -> ClipStore:
        """Return the clips of several data sets, where each key begins with its set's name and a slash.

        Args:
            sets: Where the shards of each set are, by its name.

        Raises:
            DataError: As for ``ClipStore``.
        """
        store = cls(())
        for name, where in sets.items():
            store._hold(f"{name}/", where)
        return store

    def _hold(self, prefix: str, where: Places) -> None:
        for path in shard_paths(where):
            for entry in _scan(path).values():
                key = prefix + entry.key
                if key in self._entries:
                    raise DataError(f"{key} is in both {self._shard_of[key]} and {path}")
                self._entries[key] = replace(entry, key=key) if prefix else entry
                self._shard_of[key] = path

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

        ``frames`` reads from the disk, and decodes, what is indexed and when it is: a whole clip can be handed over
        where only a window of it is needed. Cut it, or make an array of it (``np.asarray``), before computing with it.

        Raises:
            DataError: There is no such clip, the stretch is empty, or the shard is damaged.
        """
        entry = self.entry(key)
        start = max(start_slot, 0)
        stop = entry.slots if stop_slot is None else min(stop_slot, entry.slots)
        if stop <= start:
            raise DataError(f"{key} has {entry.slots} slots; [{start_slot}, {stop_slot}) holds none of them")
        frames = self._frames(key)
        points = self._array(key, "points.npy")
        audio = self._array(key, "audio.npy")
        samples = slice(start * SAMPLES_PER_FRAME, stop * SAMPLES_PER_FRAME)
        return Clip(
            key=key,
            frames=_cut(frames, start, stop),
            points_px=None if points is None else np.array(points[start:stop], np.float32),
            frames_present=entry.frames_present[start:stop].copy(),
            audio=None if audio is None else _as_float(audio[samples]),
            audio_present=entry.audio_present[start:stop].copy(),
            identity=entry.row.get("identity", ""),
            source=entry.row.get("source", ""),
            pair_id=entry.row.get("pair_id", ""),
            start_seconds=entry.start_seconds + seconds_of(start),
        )

    def _frames(self, key: str) -> CodedCrops | NDArray[np.uint8] | None:
        sizes = self._array(key, "sizes.npy")
        if sizes is None:
            return self._array(key, "frames.npy")
        picture_bytes, mask_bytes = sizes.sum(axis=0, dtype=np.int64)
        pictures, masks = self._bytes(key, "frames.mjpeg", picture_bytes), self._bytes(key, "outside.pngs", mask_bytes)
        return CodedCrops(pictures, masks, sizes, f"{self._shard_of[key]}: {key}")

    def _array(self, key: str, suffix: str) -> NDArray[Any] | None:
        offset = self._entries[key].offsets.get(suffix)
        if offset is None:
            return None
        try:
            return _npy_view(self._map(key), offset)
        except (OSError, ValueError) as error:
            raise DataError(f"{self._shard_of[key]}: {key}.{suffix} cannot be read ({error})") from error

    def _bytes(self, key: str, suffix: str, count: int) -> NDArray[np.uint8]:
        offset = self._entries[key].offsets.get(suffix, 0)
        return np.asarray(self._map(key)[offset : offset + count])

    def _map(self, key: str) -> NDArray[np.uint8]:
        path = self._shard_of[key]
        if path not in self._maps:
            if len(self._maps) >= _MOST_MAPS:
                del self._maps[next(iter(self._maps))]
            self._maps[path] = np.memmap(path, np.uint8, "r")
        return self._maps[path]


def _cut(frames: CodedCrops | NDArray[np.uint8] | None, start: int, stop: int) -> NDArray[np.uint8] | None:
    if isinstance(frames, CodedCrops):
        return as_frames(frames.slots(start, stop))
    return None if frames is None else frames[start:stop]


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
