# SPDX-License-Identifier: Apache-2.0
"""A file over which the decoding process crashes is tried once more in a fresh one, and gives what it gives alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from requirements import needs

from cad.errors import DecoderCrashedError, MediaLimitError
from cad.media import pool as pool_module
from cad.media import process as process_module
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.process import WorkerProcess
from cad.media.reader import MediaReader, open_media
from cad.media.records import AudioSamples, Outcome, ReadReport, VideoFrames

pytestmark = needs("linux")

GOOD = ""
SMALL_BLOCKS = "worker.AUDIO_BLOCK_SLOTS = 20"
CRASH = "import os; os.kill(os.getpid(), 11)"
#: What stands for damage that shows at once or later, in the language of the decoding process.
IMPOSSIBLE = "self._link._channel.send({'nothing': 1})"
RAISE = "raise RuntimeError('torn')"
NO_MEMORY = "raise MemoryError"

Boots = Callable[..., list[int]]


def crashing(method: str, act: str = CRASH) -> str:
    """Return code that does ``act`` in place of one of the jobs."""
    return f"def act(self, *_):\n    {act}\nworker.FileJob.{method} = act"


def crashing_picture(number: int, act: str = CRASH) -> str:
    """Return code that does ``act`` at the picture of this number, from 1."""
    return f"""
real, count = worker.PictureConverter.write, [0]
def write(self, frame, target):
    count[0] += 1
    real(self, frame, target)
    if count[0] == {number}:
        {act}
worker.PictureConverter.write = write
"""


def crashing_sound(blocks: int, act: str = CRASH) -> str:
    """Return code that does ``act`` after so many blocks of sound, each of which has 20 slots."""
    return f"""
worker.AUDIO_BLOCK_SLOTS = 20
real, count = worker.FileJob._send_sound, [0]
def send(self, first_slot, samples, present):
    if count[0] == {blocks}:
        {act}
    count[0] += 1
    real(self, first_slot, samples, present)
worker.FileJob._send_sound = send
"""


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> Boots:
    """Let the decoding processes to come run the given code before they serve, one after the other, then none.

    What is returned lists the identities of those that have been started.
    """
    started: list[int] = []

    def install(*codes: str) -> list[int]:
        waiting = list(codes)
        start = process_module._start

        def start_with_code(*arguments: object) -> object:
            code = waiting.pop(0) if waiting else GOOD
            lines = "import sys; sys.path += sys.argv[4:]\nimport cad.media.worker as worker\n"
            monkeypatch.setattr(process_module, "_BOOT", f"{lines}{code}\nworker.main(sys.argv[1:4])")
            process = start(*arguments)  # type: ignore[arg-type]
            started.append(process.pid)
            return process

        monkeypatch.setattr(process_module, "_start", start_with_code)
        return started

    return install


Reading = tuple[AudioSamples | None, list[VideoFrames], ReadReport]


def read(reader: MediaReader) -> Reading:
    with reader:
        sound = reader.audio()
        return sound, list(reader.video_chunks()), reader.report


@pytest.fixture(scope="session")
def truth(h264_mp4: Path) -> Reading:
    return read(open_media(h264_mp4))


def assert_same_pictures(found: list[VideoFrames], expected: list[VideoFrames]) -> None:
    assert [chunk.first_slot for chunk in found] == [chunk.first_slot for chunk in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert np.array_equal(mine.frames, theirs.frames) and np.array_equal(mine.present, theirs.present)


def assert_prefix(found: list[VideoFrames], truth: list[VideoFrames], slots: int) -> None:
    """Check that exactly the first so many slots were given, each as it is in the file."""
    frames = np.concatenate([chunk.frames for chunk in found]) if found else np.empty((0, *truth[0].frames.shape[1:]))
    assert len(frames) == slots
    assert np.array_equal(frames, np.concatenate([chunk.frames for chunk in truth])[:slots])


@pytest.mark.parametrize("act", [CRASH, IMPOSSIBLE, RAISE])
@pytest.mark.parametrize("method", ["open", "sound", "picture"])
def test_one_crash_loses_nothing(h264_mp4: Path, truth: Reading, boots: Boots, method: str, act: str) -> None:
    started = boots(crashing(method, act))
    sound, chunks, report = read(open_media(h264_mp4))
    assert sound is not None and truth[0] is not None and np.array_equal(sound.samples, truth[0].samples)
    assert_same_pictures(chunks, truth[1])
    assert report == truth[2]
    assert len(started) == 2


@pytest.mark.parametrize("number", [1, 2, 25, 26, 49, 50])
def test_a_picture_goes_on_where_it_stopped(h264_mp4: Path, truth: Reading, boots: Boots, number: int) -> None:
    boots(crashing_picture(number))
    _, chunks, report = read(open_media(h264_mp4))
    assert_same_pictures(chunks, truth[1])
    assert report == truth[2]


def test_the_log_tells_of_the_first_crash(h264_mp4: Path, boots: Boots, caplog: pytest.LogCaptureFixture) -> None:
    boots(crashing("picture"))
    with caplog.at_level(logging.INFO, "cad"):
        assert read(open_media(h264_mp4))[2].outcome is Outcome.OK
    assert "SIGSEGV" in caplog.text and "once more in a fresh process" in caplog.text


@pytest.mark.parametrize(("first", "second"), [(30, 30), (30, 10), (10, 30)])
def test_a_picture_that_crashes_twice_is_told_so(
    h264_mp4: Path, truth: Reading, boots: Boots, first: int, second: int
) -> None:
    started = boots(crashing_picture(first), crashing_picture(second))
    sound, chunks, report = read(open_media(h264_mp4))
    assert sound is not None
    # The picture at which a process dies has been written and not been sent.
    assert_prefix(chunks, truth[1], max(first, second) - 1)
    assert report.outcome is Outcome.CRASHED
    assert "SIGSEGV" in report.text and "again in a fresh process" in report.text and "convert" in report.text
    assert report.decoded_frames == max(first, second)
    assert len(started) == 2


@pytest.mark.parametrize("change", ["target[...] ^= 1", "target[0, 0] ^= 1"])
def test_a_second_picture_that_differs_is_not_joined_to_the_first(
    h264_mp4: Path, truth: Reading, boots: Boots, change: str
) -> None:
    boots(crashing_picture(30), crashing_picture(12, change))
    _, chunks, report = read(open_media(h264_mp4))
    assert_prefix(chunks, truth[1], 29)
    assert report.outcome is Outcome.CRASHED


def test_a_second_picture_that_ends_early_does_not_pass_for_the_whole(
    h264_mp4: Path, truth: Reading, boots: Boots
) -> None:
    boots(crashing_picture(30), crashing("picture", "self._link.send({'type': 'done'})"))
    _, chunks, report = read(open_media(h264_mp4))
    assert_prefix(chunks, truth[1], 29)
    assert report.outcome is Outcome.CRASHED


def test_another_file_under_the_same_name_is_no_second_try(h264_mp4: Path, boots: Boots) -> None:
    other = "real = worker.probe\nimport dataclasses\n"
    other += "worker.probe = lambda *given: dataclasses.replace(real(*given), origin_seconds=1.0)"
    boots(crashing("picture"), other)
    assert read(open_media(h264_mp4))[2].outcome is Outcome.CRASHED


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(2, 2, 40), (2, 1, 40), (1, 2, 40)],
)
def test_sound_that_crashes_twice_keeps_what_both_readings_gave(
    h264_mp4: Path, truth: Reading, boots: Boots, first: int, second: int, kept: int
) -> None:
    boots(crashing_sound(first), crashing_sound(second))
    sound, chunks, report = read(open_media(h264_mp4))
    assert sound is not None and truth[0] is not None
    assert np.array_equal(sound.samples, truth[0].samples[: kept * 640])
    assert_same_pictures(chunks, truth[1])
    assert report.outcome is Outcome.CRASHED
    assert "SIGSEGV" in report.text and "again in a fresh process" in report.text


def test_a_second_sound_that_differs_is_not_joined_to_the_first(h264_mp4: Path, truth: Reading, boots: Boots) -> None:
    torn = crashing_sound(2) + "\nsound = worker.FileJob._send_sound\n"
    torn += "worker.FileJob._send_sound = lambda self, slot, samples, present: sound(self, slot, samples + 1, present)"
    boots(crashing_sound(2), torn)
    sound, _, report = read(open_media(h264_mp4))
    assert sound is not None and truth[0] is not None
    assert np.array_equal(sound.samples, truth[0].samples[: 40 * 640])
    assert report.outcome is Outcome.CRASHED


def test_sound_that_is_read_again_outlives_a_crash(h264_mp4: Path, truth: Reading, boots: Boots) -> None:
    started = boots(SMALL_BLOCKS, crashing_sound(2), SMALL_BLOCKS)
    with open_media(h264_mp4) as reader:
        first, again = list(reader.sound_blocks()), list(reader.sound_blocks())
    assert len(first) > 2 and again == first and len(started) == 3
    assert truth[0] is not None and AudioSamples.of_blocks(again) == truth[0]


def test_sound_that_crashes_only_when_it_is_read_again_is_an_error(h264_mp4: Path, boots: Boots) -> None:
    boots(SMALL_BLOCKS, crashing_sound(2), crashing_sound(2))
    with open_media(h264_mp4) as reader:
        whole = list(reader.sound_blocks())
        again = reader.sound_blocks()
        assert [next(again), next(again)] == whole[:2]
        with pytest.raises(DecoderCrashedError, match=r"SIGSEGV.*again in a fresh process"):
            next(again)
        assert reader.report_on(1, 1).decoded_audio_seconds > 1.9


@pytest.mark.parametrize(
    "change",
    [
        {"count": -1}, {"count": 0}, {"missing": -1}, {"first_slot": 5}, {"missing": 10**9}, {"offset": -1},
        {"count": 10**6}, {"missing": 10**6}, {"offset": 10**12},
    ],
)  # fmt: skip
def test_impossible_sound_is_refused(h264_mp4: Path, boots: Boots, change: dict[str, int]) -> None:
    evil = f"""
real_channel = worker.Channel.send
worker.Channel.send = lambda self, message: real_channel(
    self, dict(message, **{change!r}) if message.get("type") == "sound" else message)
"""
    boots(evil, evil)
    with open_media(h264_mp4) as reader:
        assert list(reader.sound_blocks()) == []
        list(reader.video_chunks())
        assert reader.report.outcome is Outcome.CRASHED and "impossible answer" in reader.report.text


def test_two_crashes_at_opening_are_an_error_that_says_what_to_do(h264_mp4: Path, boots: Boots) -> None:
    started = boots(crashing("open"), crashing("open"))
    with pytest.raises(DecoderCrashedError, match=r"SIGSEGV.*again in a fresh process.*convert") as caught:
        open_media(h264_mp4)
    assert caught.value.code == "crashed" and "read" not in caught.value.text
    assert len(started) == 2


def test_a_file_of_sound_that_crashes_twice_is_a_crash_and_not_undecodable(
    make_clip: Callable[..., Path], boots: Boots
) -> None:
    path = make_clip("voice.wav", "-vn", "-c:a", "pcm_s16le")
    boots(crashing("sound"), crashing("sound"))
    with open_media(path) as reader, pytest.raises(DecoderCrashedError, match="SIGSEGV"):
        reader.audio()


def test_want_of_memory_is_tried_again_only_where_others_may_have_used_it(h264_mp4: Path, boots: Boots) -> None:
    started = boots(crashing("picture", NO_MEMORY))
    assert read(open_media(h264_mp4))[2].outcome is Outcome.TOO_LARGE
    assert len(started) == 1
    eater = "count = [0]\nreal = worker.FileJob.sound\ndef sound(self):\n    count[0] += 1\n"
    eater += "    if count[0] == 2: raise MemoryError\n    real(self)\nworker.FileJob.sound = sound"
    started = boots(eater)
    before = len(started)
    with MediaPool() as pool:
        reports = [read(pool.open(h264_mp4))[2] for _ in range(3)]
    assert {report.outcome for report in reports} == {Outcome.OK}
    assert len(started) - before == 2


def test_want_of_memory_at_opening_is_the_limit_that_it_is(h264_mp4: Path, boots: Boots) -> None:
    boots(crashing("open", NO_MEMORY))
    with pytest.raises(MediaLimitError, match="memory") as caught:
        open_media(h264_mp4)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("act", [RAISE, NO_MEMORY, IMPOSSIBLE, CRASH])
def test_a_process_that_has_shown_a_fault_reads_no_other_file(h264_mp4: Path, boots: Boots, act: str) -> None:
    boots(*[crashing("picture", act)] * (1 if act == NO_MEMORY else 2))
    with MediaPool(idle=2) as pool:
        reader = pool.open(h264_mp4)
        assert reader._worker is not None
        pid = reader._worker.pid
        assert read(reader)[2].outcome in (Outcome.CRASHED, Outcome.TOO_LARGE)
        assert all(worker.pid != pid for worker in pool._idle)
        assert read(pool.open(h264_mp4))[2].outcome is Outcome.OK


def test_a_process_that_has_read_its_share_is_replaced_by_one_that_has_started(
    h264_mp4: Path, boots: Boots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "FILES_PER_WORKER", 3)
    started, pids = boots(), []
    with MediaPool() as pool:
        for file in range(7):
            with pool.open(h264_mp4) as reader:
                assert reader._worker is not None
                pids.append(reader._worker.pid)
                assert len(started) == 1 + (file + 1) // 3  # the next one starts with the last file of its predecessor
                list(reader.video_chunks())
    assert pids == [started[0]] * 3 + [started[1]] * 3 + [started[2]]


def test_whoever_closes_the_reader_is_not_kept_waiting_by_a_second_try(h264_mp4: Path, boots: Boots) -> None:
    started = boots(crashing_picture(30))
    reader = open_media(h264_mp4)
    next(reader.video_chunks())
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 5 and len(started) == 1


@pytest.mark.parametrize(("crashing_job", "other_job"), [("sound", "picture"), ("picture", "sound")])
def test_a_crash_is_told_before_other_limits(h264_mp4: Path, boots: Boots, crashing_job: str, other_job: str) -> None:
    boots(*[crashing(crashing_job) + "\n" + crashing(other_job, NO_MEMORY)] * 6)
    with open_media(h264_mp4) as reader, pytest.raises(DecoderCrashedError, match="SIGSEGV"):
        list(reader.video_chunks())
    assert reader.report.outcome is Outcome.CRASHED


def test_processes_are_what_the_tests_take_them_for(boots: Boots) -> None:
    started = boots("raise SystemExit(7)")
    worker = WorkerProcess(MediaLimits())
    with pytest.raises(DecoderCrashedError, match="exit status 7"):
        worker.receive()
    assert started == [worker.pid]
