# SPDX-License-Identifier: Apache-2.0
"""A detector in an event loop and in children of each kind: the verdicts of one process, or an error that says why."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

import pytest
from made_media import talk, write_wav
from requirements import needs

from cad import Detector, OptionError
from cad.verdict.records import Verdict


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_wav(folder / f"{level}.wav", talk(3.0, level))) for level in (0.05, 0.2, 0.8)]


def answer(verdict: Verdict) -> tuple[str, float | None]:
    return verdict.label.value, verdict.probability_fake


@pytest.fixture(scope="module")
def expected(tiny_weights, clips):
    with Detector(model=str(tiny_weights), threads=1) as detector:
        return [answer(detector.detect(clip)) for clip in clips]


def test_an_event_loop_goes_on_while_files_are_analysed(tiny_weights, clips, expected):
    async def work():
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        # It is made within the loop, too: neither its children nor its threads are the loop's.
        detector = await asyncio.to_thread(Detector, model=str(tiny_weights), threads=1)
        with detector:
            before = ticks
            verdicts = await asyncio.gather(*(asyncio.to_thread(detector.detect, clip) for clip in clips))
        assert ticks > before
        with pytest.raises(OptionError, match="closed"):
            await asyncio.to_thread(detector.detect, clips[0])
        ticking.cancel()
        return [answer(verdict) for verdict in verdicts]

    assert asyncio.run(work()) == expected


def test_what_is_awaited_no_longer_ends_by_the_callback(tiny_weights, clips):
    """Cancelling a task does not reach its thread; an exception from ``progress`` does."""

    class NoLongerWantedError(Exception):
        pass

    wanted = True

    def watch(progress) -> None:
        if not wanted:
            raise NoLongerWantedError
        time.sleep(0.02)

    async def work() -> None:
        nonlocal wanted
        with Detector(model=str(tiny_weights), threads=1, progress=watch) as detector:
            analysing = asyncio.create_task(asyncio.to_thread(detector.detect, clips[0]))
            await asyncio.sleep(0)
            wanted = False
            with pytest.raises(NoLongerWantedError):
                await analysing
            wanted = True
            assert (await asyncio.to_thread(detector.detect, clips[0])).label

    asyncio.run(work())


_detector: Detector | None = None


def make_detector(weights: str) -> None:
    global _detector
    _detector = Detector(model=weights, threads=1)


def judge_one(clip: str) -> tuple[str, float | None]:
    assert _detector is not None
    return answer(_detector.detect(clip))


@pytest.mark.parametrize("kind", ["spawn", "forkserver", "fork"])
def test_children_with_a_detector_each_give_the_verdicts_of_one(tiny_weights, clips, expected, kind):
    """Also where the parent has one in use while it makes them."""
    with Detector(model=str(tiny_weights), threads=1) as detector:
        assert answer(detector.detect(clips[0])) == expected[0]
        context = multiprocessing.get_context(kind)
        with context.Pool(2, initializer=make_detector, initargs=(str(tiny_weights),)) as pool:
            assert pool.map_async(judge_one, clips * 2).get(timeout=120) == expected * 2
        assert answer(detector.detect(clips[1])) == expected[1]  # it lost nothing by that


@needs("linux")
def test_a_fork_cannot_use_its_parents_detector_and_takes_nothing_from_it(tiny_weights, clips, expected):
    with Detector(model=str(tiny_weights), threads=2) as detector:
        assert answer(detector.detect(clips[0])) == expected[0]
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            told = b"nothing"
            try:
                detector.detect(clips[0])
            except OptionError as error:
                told = str(error).encode()
            try:
                list(detector.detect_many(clips))
            except OptionError:
                told += b", twice"
            detector.close()
            with Detector(model=str(tiny_weights), threads=2) as own:
                told += f", {own.detect(clips[0]).label.value}".encode()
            os.write(writer, told)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answers:
            told = answers.read().decode()
        assert os.waitpid(pid, 0)[1] == 0
        assert "another process" in told and told.endswith(f", twice, {expected[0][0]}")
        assert answer(detector.detect(clips[1])) == expected[1]


@needs("linux")
@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit(0)"])
def test_a_child_that_ends_leaves_no_decoder(tiny_weights, clips, how):
    code = textwrap.dedent(f"""
        import os, sys
        from cad import Detector
        detector = Detector(model={str(tiny_weights)!r}, threads=1)
        detector.detect({clips[0]!r})
        print(*(worker.pid for worker in detector._pool._idle), flush=True)
        {how}
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    (pid,) = map(int, done.stdout.split())
    for _ in range(50):
        if not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110 - a process, not a path
            return
        time.sleep(0.1)
    pytest.fail(f"the decoding process {pid} lives on")
