# SPDX-License-Identifier: Apache-2.0
"""make_shards: the same shards from any number of processes, and whole ones whatever stops it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import talk, write_video, write_wav

from cad.data.manifest import Row
from cad.data.shard_worker import NoClip, ShardWorkers
from cad.data.sharding import FAILURES_NAME, make_shards, plan_of
from cad.data.shards import ClipStore, Member, ShardWriter
from cad.errors import DataError

DATA = Path(__file__).resolve().parents[1] / "data"
REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "data" / "make_shards.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for number in range(20):
        write_wav(folder / f"{number:02d}.wav", talk(0.4, seed=number))
    shutil.copy(DATA / "astronaut.jpg", folder / "face.jpg")
    picture = cv2.imread(str(folder / "face.jpg"))
    cv2.imwrite(str(folder / "face.png"), picture)
    write_video(folder / "empty.mp4", 0.2)
    return folder


def voices(count: int = 20) -> list[Row]:
    return [Row(f"{number:02d}.wav", 0, identity=f"p{number}", split="train") for number in range(count)]


def content(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(out.glob("*.tar"))]


def test_any_number_of_processes_makes_the_same_shards(root: Path, tmp_path: Path) -> None:
    rows = [*voices(6), Row("face.jpg", 0), Row("empty.mp4", 0), Row("missing.wav", 1), Row("00.wav", 0)]
    for jobs in (1, 3):
        failures = make_shards(rows, root, tmp_path / str(jobs), "made", jobs=jobs, shard_bytes=30_000)
        assert failures.keys() == {"empty.mp4", "missing.wav"} and failures["empty.mp4"] == "no face found"
    assert content(tmp_path / "1") == content(tmp_path / "3") and len(content(tmp_path / "1")) > 2
    store = ClipStore(tmp_path / "3")
    assert store.keys == (*(row.path for row in voices(6)), "face.jpg")
    assert store.entry("05.wav").row["identity"] == "p5"


@pytest.mark.parametrize("name", ["face.jpg", "face.png"])
def test_a_still_is_a_clip_of_one_slot_without_sound(root: Path, tmp_path: Path, name: str) -> None:
    assert make_shards([Row(name, 0)], root, tmp_path, "made", jobs=1) == {}
    clip = ClipStore(tmp_path).read(name)
    assert clip.slots == 1 and clip.frames_present.all() and clip.audio is None and not clip.audio_present.any()
    assert clip.frames is not None and clip.frames[0].std() > 20


def test_what_another_prefix_has_made_is_not_made_again(root: Path, tmp_path: Path) -> None:
    make_shards(voices(2), root, tmp_path, "first", jobs=1)
    make_shards(voices(3), root, tmp_path, "second", jobs=1)
    assert ClipStore(tmp_path / "second-000000.tar").keys == ("02.wav",)
    assert len(ClipStore(tmp_path)) == 3


def test_size_and_time_are_said_beforehand(root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    declared = [dataclasses.replace(row, duration_seconds=3600.0) for row in voices(2)]
    assert plan_of(declared, root).guessed == 0 and plan_of(declared, root).total_bytes == 2 * 3600 * 32_000
    # Two of three lengths are unknown: opened files stand for them, and one that does not open does not count.
    mixed = [declared[0], *voices(4)[2:], Row("missing.wav", 0)]
    plan = plan_of(mixed, root)
    assert plan.guessed == 3 and list(plan.seconds) == pytest.approx([3600, 0.4, 0.4, 0.4])
    with_picture = plan_of([Row("x.mp4", 0, duration_seconds=60)], root)
    assert with_picture.total_bytes < 60 * 250_000 < plan_of(with_picture.rows, root, "raw").total_bytes
    make_shards(voices(2), root, tmp_path, "made", jobs=7)
    said = capsys.readouterr().err
    assert (
        "made: 2 clips (0.00 h; the manifest does not say how long 2 of them are)" in said and "in 2 processes" in said
    )


def test_a_disk_that_is_too_small_is_refused_in_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 5 * 10**6))
    rows = [dataclasses.replace(row, duration_seconds=3600.0) for row in voices(2)]
    with pytest.raises(DataError, match=r"2 clips need about 0\.2 GB, and 5\.0 MB are free; name a folder"):
        make_shards(rows, root, tmp_path, "made")
    assert not list(tmp_path.glob("*.tar*"))


def test_a_disk_that_fills_up_is_one_line_and_what_was_made_stays(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, added = ShardWriter.add, []

    def full(writer: ShardWriter, key: str, members: list[Member]) -> None:
        if len(added) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        added.append(key)
        add(writer, key, members)

    monkeypatch.setattr(ShardWriter, "add", full)
    with pytest.raises(DataError, match="the disk is full; make room, and the same command goes on"):
        make_shards(voices(4), root, tmp_path, "made", jobs=1)
    assert ClipStore(tmp_path).keys == ("00.wav", "01.wav")


def test_a_second_run_is_refused(root: Path, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / ".made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another run is making the shards made-"):
            make_shards(voices(1), root, tmp_path, "made")
    assert make_shards(voices(1), root, tmp_path, "made") == {}


def test_a_damaged_shard_is_named(root: Path, tmp_path: Path) -> None:
    make_shards(voices(1), root, tmp_path, "made", jobs=1)
    shard = tmp_path / "made-000000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"made-000000\.tar: not a shard of clips .* to be removed"):
        make_shards(voices(2), root, tmp_path, "made", jobs=1)


def test_a_process_that_dies_costs_its_row_alone(root: Path) -> None:
    with ShardWorkers(root, 1, "jpeg") as workers:
        assert isinstance(next(workers.clips(voices(1))), list)
        (process,) = workers._alive
        process.kill()
        process.wait()
        died = next(workers.clips(voices(1)))
        assert died == NoClip("the process that made the clip died (exit status -9)", may_pass=True)
        assert isinstance(next(workers.clips(voices(1))), list)


def test_what_may_pass_is_tried_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def clips(_: ShardWorkers, rows: list[Row]) -> Iterator[NoClip]:
        tried.extend(row.path for row in rows)
        return (NoClip("too slow" if row.path == "00.wav" else "no face", row.path == "00.wav") for row in rows)

    monkeypatch.setattr(ShardWorkers, "clips", clips)
    for _ in range(2):
        assert make_shards(voices(2), root, tmp_path, "made") == {"00.wav": "too slow", "01.wav": "no face"}
    assert tried == ["00.wav", "01.wav", "00.wav"]


#: Runs the tool named first with a pause before each clip is written, so that it is there to be stopped.
UNHURRIED = """
import runpy, sys, time
from cad.data.shards import ShardWriter
add = ShardWriter.add
ShardWriter.add = lambda writer, *clip: (time.sleep(0.3), add(writer, *clip))[1]
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def started(folder: Path, root: Path, out: Path, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start the tool on all voices, a clip a shard, as a user would."""
    manifest = folder / "made.csv"
    manifest.write_text("path,label,split\n" + "".join(f"{row.path},0,train\n" for row in voices()))
    words = [str(TOOL), str(manifest), "--root", str(root), "--out", str(out), "--jobs", "2", "--shard-megabytes", "0"]
    command = [sys.executable, *before, *words]
    return subprocess.Popen(
        command,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Whoever starts the tests in the background leaves SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_shards(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 100
    while len(list(out.glob("*.tar"))) < count:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.002)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started; none where the system does not say so (it has no /proc)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_goes_on_where_it_was(root: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "shards"
    process = started(tmp_path, root, out, ["-c", UNHURRIED])
    wait_for_shards(out, 3, process)
    workers = children_of(process.pid)
    os.kill(process.pid, how)
    _, said = process.communicate(timeout=100)
    end = time.monotonic() + 100
    while any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.01)
    made = {path.name: path.read_bytes() for path in out.glob("*.tar")}
    assert len(made) >= 3
    if how is not signal.SIGKILL:
        assert process.returncode == 130 and f"stopped with {len(made)} of 20 clips made" in said
        assert "Traceback" not in said and not list(out.glob("*.part"))
    again = started(tmp_path, root, out)
    again.communicate(timeout=100)
    assert again.returncode == 0
    assert all((out / name).read_bytes() == data for name, data in made.items())
    assert ClipStore(out).keys == tuple(row.path for row in voices()) and not list(out.glob("*.part"))
    assert not (out / FAILURES_NAME).exists()
    np.testing.assert_allclose(ClipStore(out).read("07.wav").audio, talk(0.4, seed=7), atol=1e-3)
