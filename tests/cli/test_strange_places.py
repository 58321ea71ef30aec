# SPDX-License-Identifier: Apache-2.0
"""cad-detect where a system gives little: no home, few processes, descriptors or bytes, no /proc, nothing to write."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from made_media import RED, talk, write_video
from requirements import give_up, needs

import cad
from cad.cli import ExitCode
from cad.media.input import open_input
from cad.media.limits import MediaLimits

pytestmark = needs("linux")
COMMAND = [sys.executable, "-m", "cad.cli"]
PATIENCE_SECONDS = 180
MIB = 1 << 20
Act = Callable[[str], subprocess.CompletedProcess[str]]
#: Copies of the clip and the weights for everybody; the command is $JUDGE, run by another user as $NOBODY $JUDGE.
PREPARE = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/python /mnt/dark
cp -r "$1" /mnt/weights; cp "$2" /mnt/clip.mp4; chmod -R a+rX /mnt; chmod 700 /mnt/dark
if [ -n "$4" ]; then
    mount --bind "$3" /mnt/python; mount -t tmpfs -o mode=755 tmpfs "$4"; mkdir -p "$3"; mount --move /mnt/python "$3"
fi
NOBODY="setpriv --reuid=65534 --regid=65534 --clear-groups"
JUDGE="$5 -m cad.cli --model /mnt/weights --json /mnt/clip.mp4"
cd /mnt
"""


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that the tiny model calls fake."""
    return write_video(tmp_path_factory.mktemp("strange") / "clip.mp4", 3.0, RED, talk(3.0, 0.2))


def run(command: list[str], limits: dict[int, int] | None = None) -> subprocess.CompletedProcess[str]:
    """Return how a command ended that runs under these limits of the kernel, and that it said no traceback."""

    def lower() -> None:
        for which, value in (limits or {}).items():
            resource.setrlimit(which, (value, value))

    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, preexec_fn=lower
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def in_namespace(tiny_weights: Path, forged: Path) -> Act:
    """Say how a script of root's ended that may mount what it likes, in a namespace of its own."""
    home = Path(sys.base_prefix)
    # The interpreter may lie in root's home: there it is laid open, in this namespace alone.
    closed = next((str(one) for one in reversed(home.parents) if not one.stat().st_mode & 1), "")
    words = [str(tiny_weights), str(forged), str(home), closed, sys.executable]

    def command(script: str) -> list[str]:
        return ["unshare", "-m", "bash", "-ec", PREPARE + script, "bash", *words]

    def act(script: str) -> subprocess.CompletedProcess[str]:
        return run(command(script))

    # Not by act(): that others may not read an interpreter's packages is a traceback, and no fault of cad's.
    readable = subprocess.run(command("$NOBODY $5 -c 'import typer, cad.cli'"), capture_output=True, check=False)
    if readable.returncode:
        give_up("namespaces", "an interpreter and a package that others may read")
    return act


def label(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done
    return str(json.loads(done.stdout)["label"])


@needs("namespaces")
@pytest.mark.parametrize(
    "script",
    [
        "cd /mnt/dark; env -u HOME TMPDIR=/nonexistent/x $NOBODY $JUDGE",
        "HOME=/mnt/dark TMPDIR=/mnt/dark $NOBODY $JUDGE",
        "mount -t tmpfs -o ro tmpfs /dev/shm; $JUDGE",
        "mount -t tmpfs -o ro tmpfs /proc; $JUDGE",
        "for at in /mnt / /tmp; do mount --bind $at $at; mount -o remount,ro,bind $at; done; touch /x || $JUDGE",
    ],
    ids=["no home, dark folder", "dark home", "no shared memory", "no proc", "read-only"],
)
def test_a_place_that_lacks_something(in_namespace: Act, script: str) -> None:
    assert label(in_namespace(script)) == "fake"


@needs("namespaces")
@pytest.mark.parametrize("processes", [1, 3, 5, 8])
def test_few_processes_and_threads(in_namespace: Act, processes: int) -> None:
    """Threads of libraries do not start, then those of this package, then the decoding process: none of it hangs."""
    script = f"setpriv --reuid={61000 + processes} --regid=65534 --clear-groups prlimit --nproc={processes} $JUDGE"
    done = in_namespace(script)
    assert done.returncode != ExitCode.FAKE_FOUND
    assert done.returncode or label(done) != "real"
    assert done.returncode == 0 or done.stdout + done.stderr
    if processes == 8:
        assert label(done) == "fake"


def test_without_another_thread_the_file_is_hashed_all_the_same(monkeypatch: pytest.MonkeyPatch, forged: Path) -> None:
    with_thread = open_input(forged, MediaLimits())
    with_thread.start_hashing()
    expected = with_thread.sha256()
    with_thread.close()

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    alone = open_input(forged, MediaLimits())
    alone.start_hashing()
    alone.start_hashing()
    assert alone.sha256() == expected != ""
    alone.close()


@pytest.mark.parametrize("descriptors", [6, 10, 20])
def test_few_descriptors(tiny_weights: Path, forged: Path, descriptors: int) -> None:
    command = [*COMMAND, "--model", str(tiny_weights), "--json", str(forged)]
    done = run(command, {resource.RLIMIT_NOFILE: descriptors})
    if descriptors < 16:
        assert done.returncode not in (ExitCode.OK, ExitCode.FAKE_FOUND)
        assert len(done.stderr.splitlines()) == 1 and "Too many open files" in done.stderr
    else:
        assert label(done) == "fake"


@pytest.mark.parametrize("memory_mib", [300, 600, 4000])
def test_little_address_space(tiny_weights: Path, forged: Path, memory_mib: int) -> None:
    command = [*COMMAND, "--model", str(tiny_weights), "--json", str(forged)]
    done = run(command, {resource.RLIMIT_AS: memory_mib * MIB})
    if memory_mib == 4000:
        assert label(done) == "fake"
    else:
        assert done.returncode not in (ExitCode.OK, ExitCode.FAKE_FOUND)
        assert done.stderr or "error" in json.loads(done.stdout)


def test_no_part_of_an_analysis_asks_for_the_time_of_day() -> None:
    """A clock that is set while a file is read changes no limit and no figure."""
    package = Path(cad.__file__).parent
    parts = ("media", "faces", "verdict", "runtime", "report", "weights")
    files = [*package.glob("*.py"), *(file for part in parts for file in (package / part).rglob("*.py"))]
    asking = re.compile(r"\btime\.time\b|\bdatetime\b|\bgmtime\b|\blocaltime\b|CLOCK_REALTIME|from time import")
    assert len(files) > 80
    assert [file.name for file in files if asking.search(file.read_text(encoding="utf-8"))] == []


def test_thousands_of_names(tiny_weights: Path, forged: Path) -> None:
    names = [f"missing-{index:05d}.mp4" for index in range(5000)]
    done = run([*COMMAND, "--model", str(tiny_weights), "--jsonl", *names, str(forged)])
    assert done.returncode == ExitCode.INPUT_FAILED
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == [*names, str(forged)]
    assert {row["error"]["code"] for row in rows[:-1]} == {"not_found"}
    assert rows[-1]["label"] == "fake"
