# SPDX-License-Identifier: Apache-2.0
"""What bounds the decoding process holds for its whole life, is told, and can be insisted on."""

from __future__ import annotations

import logging
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_containers import FORBID_FILTERS
from requirements import landlock_version, needs

from cad.errors import MediaLimitError, MediaTimeoutError, UnconfinedError
from cad.media import confinement
from cad.media import process as process_module
from cad.media.arrays import ArraySource
from cad.media.landlock import ruleset
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.reader import open_media
from cad.media.refused_calls import VARIABLE

linux = needs("linux")
ROOT = Path(__file__).resolve().parents[2]
BOOT = """
import sys; sys.path += sys.argv[4:]
import os, signal, time
import cad.media.worker as worker
import cad.media.sandbox as sandbox
{code}
worker.main(sys.argv[1:4])
"""
NO_FILTER = "sandbox.refuse_system_calls = lambda *_, **__: False"
#: What a process does before each file, for 0.7 s of processor time.
BUSY = """
real = worker.FileJob.open
def busy(job):
    stop = time.process_time() + 0.7
    while time.process_time() < stop: pass
    real(job)
worker.FileJob.open = busy
"""
#: A process that was taken over and does not heed the signal, with signs of life.
STUBBORN = """
def spin(job):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True: job._link.beat()
worker.FileJob.open = spin
"""
READ_WITHOUT_FILTERS = f"""
{FORBID_FILTERS}
import logging
from cad.errors import UnconfinedError
from cad.media.reader import open_media
logging.basicConfig(format="%(message)s")
for _ in range(2):
    with open_media(sys.argv[1]) as reader:
        print(reader.info.sandbox, sum(len(chunk.present) for chunk in reader.video_chunks()))
try:
    open_media(sys.argv[1], require_sandbox=True)
except UnconfinedError as error:
    print(error.code)
"""
#: Reads the files that it is given with so many threads of the decoder, and prints what became of each.
READ_ALL = """
import sys
from cad.errors import MediaError
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
with MediaPool(MediaLimits(decoder_threads=int(sys.argv[1]))) as pool:
    for path in sys.argv[2:]:
        try:
            with pool.open(path) as reader:
                print("shown" if sum(int(chunk.present.sum()) for chunk in reader.video_chunks()) else "nothing")
        except MediaError as error:
            print(error)
"""


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the decoding process run ``code`` before it serves."""
    return lambda code: monkeypatch.setattr(process_module, "_BOOT", BOOT.format(code=code))


@pytest.fixture(autouse=True)
def not_warned_yet() -> None:
    confinement._warn.cache_clear()


@linux
def test_limits_are_hard(h264_mp4: Path) -> None:
    limits = MediaLimits(cpu_seconds=100)
    with open_media(h264_mp4, limits) as reader:
        assert reader._worker is not None
        pid = reader._worker.pid
        both = {
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_CORE": 0,
        }
        for name, value in both.items():
            assert resource.prlimit(pid, getattr(resource, name)) == (value, value), name
        soft, hard = resource.prlimit(pid, resource.RLIMIT_CPU)
        # Fifty files, and what starting took.
        assert 100 <= soft <= 103 and 5000 <= hard <= 5003


@linux
def test_processor_time_is_counted_anew_for_each_file(h264_mp4: Path, boot: Callable[[str], None]) -> None:
    boot(BUSY)
    pids = set()
    with MediaPool(MediaLimits(cpu_seconds=1)) as pool:
        for _ in range(5):
            with pool.open(h264_mp4) as reader:
                assert reader._worker is not None
                pids.add(reader._worker.pid)
    assert len(pids) == 1


@linux
def test_a_process_that_ignores_the_signal_meets_the_processor_limit(
    h264_mp4: Path, boot: Callable[[str], None]
) -> None:
    boot(STUBBORN)
    with pytest.raises(MediaTimeoutError, match="processor time"):
        open_media(h264_mp4, MediaLimits(cpu_seconds=1, wall_seconds=60.0))


@linux
def test_all_files_together_meet_the_hard_limit_whatever_the_process_does(
    h264_mp4: Path, boot: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "FILES_PER_WORKER", 1)
    boot(STUBBORN.replace("job._link.beat()", "pass"))
    with pytest.raises(Exception, match="SIGKILL") as caught:
        open_media(h264_mp4, MediaLimits(cpu_seconds=1, stall_seconds=60.0))
    assert caught.type.__name__ == "DecoderCrashedError"


@needs("linux", "seccomp")
def test_what_confines_the_decoder_is_told(h264_mp4: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_media(h264_mp4, require_sandbox=True) as reader:
        expected = ("limits", "landlock", "seccomp") if landlock_version() > 0 else ("limits", "seccomp")
        assert reader.info.sandbox == expected
    assert not caplog.records


def test_nothing_is_told_of_arrays() -> None:
    frames = np.zeros((25, 8, 8, 3), np.uint8)
    assert ArraySource(frames, np.arange(25) / 25).info.sandbox is None


@linux
def test_a_decoder_without_the_filter_is_warned_of_once(
    h264_mp4: Path, boot: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    boot(NO_FILTER)
    with caplog.at_level(logging.WARNING), MediaPool() as pool:
        for _ in range(2):
            with pool.open(h264_mp4) as reader:
                assert "seccomp" not in (reader.info.sandbox or ())
                assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
    assert [record.message for record in caplog.records] == [
        "this system gives the decoding process no system-call filter; --require-sandbox reads no file then"
    ]


@linux
@pytest.mark.parametrize(
    ("code", "missing"),
    [(NO_FILTER, "system-call filter"), ("sandbox.apply_limits = lambda *_: False", "limits on its memory and time")],
)
def test_who_insists_on_the_sandbox_reads_nothing_without_it(
    h264_mp4: Path, boot: Callable[[str], None], tmp_path: Path, code: str, missing: str
) -> None:
    # A file that reached the decoder would crash it.
    boot(code + "\nworker.FileJob.open = lambda job: os._exit(7)")
    with pytest.raises(UnconfinedError, match=missing) as caught:
        open_media(h264_mp4, require_sandbox=True)
    assert caught.value.code == "unconfined" and caught.value.path == h264_mp4
    with MediaPool(require_sandbox=True) as pool, pytest.raises(UnconfinedError):
        pool.open(h264_mp4)


@needs("linux", "seccomp")
def test_where_the_filter_is_forbidden_files_are_read_and_that_is_told(h264_mp4: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_FILTERS, str(h264_mp4)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    holds = "('limits', 'landlock')" if landlock_version() > 0 else "('limits',)"
    assert done.stdout.splitlines() == [f"{holds} 50", f"{holds} 50", "unconfined"], done.stderr
    assert done.stderr.count("system-call filter") == 1


def tell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script whose decoding processes tell of refused calls; to a pipe, since they may not write to files."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {VARIABLE: "1"},
    )  # fmt: skip


@needs("linux", "seccomp")
def test_refused_calls_are_told_to_developers_and_fail_as_ever(h264_mp4: Path) -> None:
    code = "def act(job):\n    import socket\n    socket.socket()\nworker.FileJob.open = act"
    done = tell(f"from cad.media import process\nprocess._BOOT = {BOOT.format(code=code)!r}\n{READ_ALL}", 1, h264_mp4)
    assert "refused system call" in done.stderr and "PermissionError" in done.stdout


def meet_no_refused_call(threads: int, *files: Path) -> None:
    done = tell(READ_ALL, threads, *files)
    assert done.stdout.splitlines() == ["shown"] * len(files)
    assert done.stderr == ""


@needs("linux", "seccomp")
def test_a_healthy_and_a_damaged_file_meet_no_refused_call(h264_mp4: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(h264_mp4.read_bytes())
    for at in range(len(data) // 3, len(data) // 2, 97):
        data[at] ^= 0xFF
    damaged.write_bytes(data)
    meet_no_refused_call(2, h264_mp4, damaged)


@needs("linux", "seccomp")
@pytest.mark.slow
def test_files_of_many_kinds_meet_no_refused_call(make_clip: Callable[..., Path]) -> None:
    meet_no_refused_call(
        1,
        make_clip("a.mp4", "-c:v", "libx265", "-c:a", "ac3"),
        make_clip("a.mkv", "-c:v", "libvpx-vp9", "-c:a", "libopus"),
        make_clip("av1.mkv", "-c:v", "libaom-av1", "-cpu-used", "8", "-c:a", "flac"),
        make_clip("a.avi", "-c:v", "mpeg4", "-c:a", "libmp3lame"),
        *(make_clip(name, "-frames:v", "1", sound=False) for name in ("a.png", "a.jpg", "a.webp")),
        make_clip("a.gif", sound=False),
    )


def test_older_kernels_are_asked_for_what_they_know() -> None:
    words = {version: struct.unpack(f"={len(ruleset(version)) // 8}Q", ruleset(version)) for version in range(1, 8)}
    assert words[1] == (0x1FFF,) and words[2] == (0x3FFF,) and words[3] == (0x7FFF,)
    assert words[4] == (0x7FFF, 3) and words[5] == (0xFFFF, 3)
    assert words[6] == words[7] == (0xFFFF, 3, 3)


@linux
@pytest.mark.parametrize("memory_bytes", [1 << 20, 1 << 28])
def test_less_memory_than_the_process_itself_takes_is_the_limit_that_it_is(h264_mp4: Path, memory_bytes: int) -> None:
    with pytest.raises(MediaLimitError, match="memory"):
        open_media(h264_mp4, MediaLimits(memory_bytes=memory_bytes))
