# SPDX-License-Identifier: Apache-2.0
"""Whatever the decoding process does, the reader lives, says what happened, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from requirements import needs

from cad.errors import DecoderCrashedError, MediaError, MediaLimitError, MediaTimeoutError, OptionError
from cad.media import process as process_module
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.reader import open_media
from cad.media.records import Outcome

ROOT = Path(__file__).resolve().parents[2]
linux = needs("linux")
EVIL_BOOT = """
import sys; sys.path += sys.argv[4:]
import cad.media.worker as worker
def evil(job, *number):
{body}
worker.FileJob.{method} = evil
worker.main(sys.argv[1:4])
"""


BEGUN = "    job._link.send({'type': 'begun'})\n"


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the decoding process run ``body`` in place of one of its jobs."""

    def install(body: str, method: str = "open") -> None:
        indented = "\n".join("    " + line for line in body.splitlines())
        monkeypatch.setattr(process_module, "_BOOT", EVIL_BOOT.format(body=indented, method=method))

    return install


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test here must leave no process, no descriptor and no shared memory."""
    before = (children(), descriptors(), shared_memory())
    yield
    for _ in range(50):
        after = (children(), descriptors(), shared_memory())
        if after == before:
            break
        time.sleep(0.02)
    assert after == before


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        found |= {int(pid) for pid in task.read_text().split()}
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir()} if Path("/dev/shm").is_dir() else set()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


@linux
def test_a_normal_read_leaves_nothing(h264_mp4: Path) -> None:
    with open_media(h264_mp4) as reader:
        assert reader.audio() is not None
        assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
    assert reader.report.outcome is Outcome.OK


@linux
def test_an_abandoned_iteration_leaves_nothing(h264_mp4: Path) -> None:
    with open_media(h264_mp4) as reader:
        next(reader.video_chunks())


@linux
def test_a_reader_that_is_never_closed_leaves_nothing(h264_mp4: Path) -> None:
    reader = open_media(h264_mp4)
    next(reader.video_chunks())
    del reader


@linux
@pytest.mark.parametrize("kills", [1, 2])
def test_killed_in_the_middle_keeps_what_was_read(h264_mp4: Path, monkeypatch: pytest.MonkeyPatch, kills: int) -> None:
    # Few buffers, so that the decoder cannot have run to the end before it is killed.
    monkeypatch.setattr(
        process_module,
        "_BOOT",
        "import sys; sys.path += sys.argv[4:]; import cad.media.ring as r; "
        "r.MAX_BUFFERS = 3; import cad.media.worker as w; w.main(sys.argv[1:4])",
    )
    begin, pids = process_module.WorkerProcess.begin, []

    def begin_and_note(worker: process_module.WorkerProcess, *arguments: object) -> None:
        begin(worker, *arguments)  # type: ignore[arg-type]
        pids.append(worker.pid)
        if len(pids) == 2 and kills == 2:
            os.kill(worker.pid, signal.SIGKILL)

    monkeypatch.setattr(process_module.WorkerProcess, "begin", begin_and_note)
    with open_media(h264_mp4) as reader:
        chunks = reader.video_chunks()
        first = next(chunks)
        os.kill(pids[0], signal.SIGKILL)
        rest = sum(len(chunk.present) for chunk in chunks)
    assert first.present.all() and len(pids) == 2
    report = reader.report
    if kills == 1:
        assert rest == 25 and report.outcome is Outcome.OK
        return
    assert 25 <= 25 + rest < 50
    assert report.outcome is Outcome.CRASHED
    assert 0.4 < report.coverage < 0.8
    assert report.decoded_frames >= 25
    assert "SIGKILL" in report.text


@linux
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL])
def test_a_crash_at_opening_is_an_error_with_a_name(
    h264_mp4: Path, evil: Callable[..., None], number: signal.Signals
) -> None:
    evil(f"import os; os.kill(os.getpid(), {int(number)})")
    with pytest.raises(DecoderCrashedError, match=number.name) as caught:
        open_media(h264_mp4)
    assert caught.value.code == "crashed"
    assert caught.value.path == h264_mp4


@linux
def test_a_spin_that_holds_the_interpreter_is_stopped(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("import re; re.match(r'(a+)+$', 'a' * 60 + 'b')")
    began = time.monotonic()
    with pytest.raises(MediaTimeoutError, match="no sign of life"):
        open_media(h264_mp4, MediaLimits(stall_seconds=1.0))
    assert time.monotonic() - began < 10


@linux
def test_a_spin_with_signs_of_life_meets_the_wall(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("while True: job._link.beat()")
    with pytest.raises(MediaTimeoutError):
        open_media(h264_mp4, MediaLimits(stall_seconds=60.0, wall_seconds=1.5))


@linux
def test_a_spin_meets_the_processor_limit_without_help(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("while True: pass")
    with pytest.raises(MediaTimeoutError, match="processor time"):
        open_media(h264_mp4, MediaLimits(stall_seconds=60.0, cpu_seconds=1))


@linux
def test_a_spin_in_the_middle_keeps_the_sound(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("while True: pass", method="picture")
    with open_media(h264_mp4, MediaLimits(stall_seconds=1.0)) as reader:
        sound = reader.audio()
        assert list(reader.video_chunks()) == []
    assert sound is not None and sound.present.all()
    assert reader.report.outcome is Outcome.TIMEOUT
    assert reader.report.coverage == 0.0


@linux
def test_a_crash_over_the_sound_keeps_the_picture(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("import os; os.kill(os.getpid(), 11)", method="sound")
    with open_media(h264_mp4) as reader:
        assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
        assert reader.audio() is None
    assert reader.report.outcome is Outcome.CRASHED
    assert reader.report.coverage == 0.0


@linux
def test_a_crash_over_everything_raises(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("import os; os.kill(os.getpid(), 11)", method="picture")
    process_module_boot = process_module._BOOT.replace("worker.main", "worker.FileJob.sound = evil\nworker.main")
    process_module._BOOT = process_module_boot  # undone with the fixture's patch
    with open_media(h264_mp4) as reader, pytest.raises(DecoderCrashedError):
        list(reader.video_chunks())


@linux
def test_eating_memory_meets_the_limit(h264_mp4: Path, evil: Callable[..., None]) -> None:
    evil("hoard = []\nwhile True: hoard.append(bytearray(1 << 24))")
    with pytest.raises(MediaLimitError, match="memory") as caught:
        open_media(h264_mp4, MediaLimits(memory_bytes=1 << 30))
    assert caught.value.code == "too_large"


@linux
@pytest.mark.parametrize(
    "answer",
    [
        {"type": "info"},
        {"type": "info", "info": {}, "progress": [0, 0, 0]},
        {"type": "info", "info": {"video": 7, "audio": None, "kind": "x"}, "progress": [0, 0, 0]},
        {"type": "error", "code": "no such code", "text": 3, "progress": [0, 0, 0]},
        {"nothing": 1},
    ],
)
def test_impossible_answers_are_no_trouble(
    h264_mp4: Path, evil: Callable[..., None], answer: dict[str, object]
) -> None:
    evil(f"job._link._channel.send({answer!r})")
    with pytest.raises(MediaError):
        open_media(h264_mp4)


@linux
@pytest.mark.parametrize(
    "answer",
    [
        {"type": "layout", "height": 1 << 30, "width": 4},
        {"type": "frame", "buffer": 0, "offset": 1 << 40, "first_slot": 0, "missing": 0, "count": 1},
        {"type": "frame", "buffer": 0, "offset": -1, "first_slot": 0, "missing": 0, "count": 1},
        {"type": "frame", "buffer": 0, "offset": 0, "first_slot": 7, "missing": 0, "count": 1},
        {"type": "frame", "buffer": 0, "offset": 0, "first_slot": 0, "missing": 1 << 40, "count": 1},
        {"type": "frame", "buffer": 0, "offset": 0, "first_slot": "x", "missing": 0, "count": 1},
        {"type": "frame"},
    ],
)
def test_impossible_frames_are_no_trouble(h264_mp4: Path, evil: Callable[..., None], answer: dict[str, object]) -> None:
    layout = {"type": "layout", "height": 8, "width": 8}
    evil(f"job._link.send({layout!r})\njob._link._channel.send({answer | {'progress': [1, 1, 0]}!r})", method="picture")
    with open_media(h264_mp4) as reader:
        assert list(reader.video_chunks()) == []
    assert reader.report.outcome is Outcome.CRASHED


@linux
@pytest.mark.parametrize(
    "act",
    [
        "    import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
        # One that was taken over, and does not want to die.
        "    import os, signal\n    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))\n"
        "    try:\n        os.close(int(sys.argv[3]))\n    except PermissionError:\n        pass\n"
        "    while True: pass",
    ],
)
def test_the_process_dies_with_its_parent_even_while_it_spins(h264_mp4: Path, act: str) -> None:
    script = f"""
import os, signal, sys, time
from cad.media import process
process._BOOT = {EVIL_BOOT.format(body=BEGUN + act, method="picture")!r}
from cad.media.reader import open_media
reader = open_media({str(h264_mp4)!r})
reader._worker.send({{"type": "video", "number": 1, "left_seconds": 60.0}})
assert reader._worker.receive()["type"] == "begun"
time.sleep(0.3)
print(reader._worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert wait_until_gone(int(done.stdout))


@linux
def test_ctrl_c_leaves_nothing(h264_mp4: Path) -> None:
    script = f"""
import os, signal, threading
# Whoever starts the tests in the background leaves SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cad.media.reader import open_media
threading.Timer(0.3, lambda: os.killpg(0, signal.SIGINT)).start()
while True:
    with open_media({str(h264_mp4)!r}) as reader:
        print(reader._worker.pid, flush=True)
        for chunk in reader.video_chunks():
            pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, check=False, start_new_session=True, timeout=60,
    )  # fmt: skip
    assert "KeyboardInterrupt" in done.stderr
    for pid in done.stdout.split():
        assert wait_until_gone(int(pid))


@linux
def test_works_from_a_script_without_a_main_guard(h264_mp4: Path, tmp_path: Path) -> None:
    script = tmp_path / "numpy_user.py"
    script.write_text(
        f"from cad.media.reader import open_media\n"
        f"with open_media({str(h264_mp4)!r}) as reader:\n"
        f"    print(sum(len(chunk.present) for chunk in reader.video_chunks()))\n"
    )
    # A file of that name in the current folder would shadow numpy in a process that is not isolated.
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "50", done.stderr


def test_reading_imports_no_decoder_and_no_model_into_the_parent(h264_mp4: Path) -> None:
    script = f"""
import sys
from cad.media.reader import open_media
with open_media({str(h264_mp4)!r}) as reader:
    list(reader.video_chunks())
print(sorted(set(sys.modules) & {{"av", "torch", "onnxruntime", "cv2"}}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_worker_imports_nothing_heavy() -> None:
    script = "import sys, cad.media.worker; print(sorted({'torch', 'onnxruntime', 'cv2', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@linux
def test_a_pool_reuses_a_process_and_replaces_a_dead_one(h264_mp4: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 50)
    pids = []
    with MediaPool() as pool:
        for _ in range(2):
            with pool.open(h264_mp4) as reader:
                pids.append(reader._worker.pid)  # type: ignore[union-attr]
                assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
        with pytest.raises(MediaError):
            pool.open(text)
        with pool.open(h264_mp4) as reader:
            pids.append(reader._worker.pid)  # type: ignore[union-attr]
            chunks = reader.video_chunks()
            next(chunks)
            os.kill(pids[-1], signal.SIGKILL)
            chunks.close()
        with pool.open(h264_mp4) as reader:
            pids.append(reader._worker.pid)  # type: ignore[union-attr]
            assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
    assert pids[0] == pids[1] == pids[2] != pids[3]


@linux
def test_a_waiting_process_holds_little_memory(h264_mp4: Path) -> None:
    with MediaPool() as pool:
        with pool.open(h264_mp4) as reader:
            worker = reader._worker
            assert worker is not None
            worker.block.memory[: 32 << 20] = bytes(32 << 20)
        status = Path(f"/proc/{worker.pid}/status").read_text()
        shared_kib = int(status.split("RssShmem:")[1].split()[0])
    assert shared_kib < 1024


def test_chunks_that_are_kept_are_not_overwritten(make_clip: Callable[..., Path]) -> None:
    path = make_clip("kept.mp4", "-c:v", "libx264", "-g", "12", before=("-stream_loop", "4"), sound=False)
    with open_media(path) as reader:
        kept = [(chunk, chunk.frames[::5, ::7, ::7].copy()) for chunk in reader.video_chunks()]
    assert len(kept) >= 8
    assert all((chunk.frames[::5, ::7, ::7] == copy).all() for chunk, copy in kept)


def test_limits_are_checked_when_they_are_made() -> None:
    with pytest.raises(OptionError, match="max_side_px"):
        MediaLimits(max_side_px=0)


def test_the_picture_can_be_read_once(h264_mp4: Path) -> None:
    with open_media(h264_mp4) as reader:
        list(reader.video_chunks())
        with pytest.raises(OptionError, match="once"):
            list(reader.video_chunks())


def test_a_closed_reader_reads_no_more(h264_mp4: Path) -> None:
    reader = open_media(h264_mp4)
    chunks = reader.video_chunks()
    next(chunks)
    reader.close()
    with pytest.raises(OptionError, match="closed"):
        closed = open_media(h264_mp4)
        closed.close()
        closed.audio()
    with pytest.raises(OptionError, match="closed"):
        list(chunks)


@linux
def test_a_fork_of_the_reader_does_not_end_the_decoder(h264_mp4: Path) -> None:
    with open_media(h264_mp4) as reader:
        assert reader._worker is not None
        pid = os.fork()
        if pid == 0:
            reader._worker.kill()
            os._exit(0)
        os.waitpid(pid, 0)
        assert sum(len(chunk.present) for chunk in reader.video_chunks()) == 50
