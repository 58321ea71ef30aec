# SPDX-License-Identifier: Apache-2.0
"""cad-detect as a process of its own: signals, pipes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from left_behind import group_is_gone
from made_media import talk, write_video, write_wav
from requirements import needs

COMMAND = [sys.executable, "-m", "cad.cli"]


@pytest.fixture
def clean(tmp_path):
    """An environment whose temporary folder is empty, to see what is left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder, {**os.environ, "TMPDIR": str(folder)}


def test_stdout_has_json_and_nothing_else(tiny_weights, tmp_path, clean):
    folder, environment = clean
    file = write_wav(tmp_path / "a.wav", talk(2.0, 0.05))
    command = [*COMMAND, "--model", str(tiny_weights), "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] == "real"
    assert done.stderr == ""
    assert list(folder.iterdir()) == []


def test_bad_files_leave_nothing_behind(tiny_weights, tmp_path, clean):
    folder, environment = clean
    letter = tmp_path / "letter.mp4"
    letter.write_text("not a film\n" * 50)
    whole = write_video(tmp_path / "whole.mp4", 3.0, sound=talk(3.0)).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    files = [str(letter), str(cut), str(tmp_path / "missing.mp4"), str(tmp_path)]
    done = subprocess.run(
        [*COMMAND, "--model", str(tiny_weights), *files], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stdout + done.stderr
    assert len([line for line in done.stdout.splitlines() if "ERROR" in line]) >= 3
    assert list(folder.iterdir()) == []


def test_interrupting_gives_130_and_leaves_nothing(tiny_weights, tmp_path, clean):
    folder, environment = clean
    files = [
        str(write_wav(tmp_path / "a.wav", talk(1.0))),
        str(write_video(tmp_path / "b.mp4", 30.0, sound=talk(30.0))),
    ]
    page = tmp_path / "report.html"
    process = subprocess.Popen(
        [*COMMAND, "--model", str(tiny_weights), "--jsonl", "--html", str(page), *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # Whoever starts the tests in the background leaves SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first file is done: the second one is being read
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list(folder.iterdir()) == [] and page.read_text(encoding="utf-8").count("<section>") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.mp4", "report.html", "temporary"]
    assert group_is_gone(process.pid), "a decoding process is still there"


def test_a_broken_pipe_is_quiet(tiny_weights, tmp_path):
    files = [str(write_wav(tmp_path / f"{index}.wav", talk(2.0, 0.05))) for index in range(3)]
    process = subprocess.Popen(
        [*COMMAND, "--model", str(tiny_weights), *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=120) == 141
    assert err == ""


@needs("terminal")
def test_a_bar_on_a_terminal_goes_to_stderr(tiny_weights, tmp_path):
    import pty

    file = write_video(tmp_path / "a.mp4", 4.0)
    leader, follower = pty.openpty()
    command = [*COMMAND, "--model", str(tiny_weights), "--json", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    # A terminal holds a few kilobytes only: it has to be read while the command draws.
    shown = b"".join(iter(lambda: read_terminal(leader), b""))
    out, _ = process.communicate(timeout=120)
    os.close(leader)
    assert process.returncode == 0
    assert json.loads(out)["media"]["kind"] == "video"
    assert b"a.mp4" in shown


def read_terminal(leader: int) -> bytes:
    """Return what was drawn since the last call, and nothing once the other side is closed."""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""


def test_the_command_starts_lightly():
    code = "import sys, cad.cli; print([m for m in ('torch', 'av', 'onnxruntime', 'cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_carriage_return_in_a_name_on_stdin_is_part_of_it(tiny_weights, tmp_path):
    name = os.fsencode(write_wav(tmp_path / "a\rb.wav", talk(2.0, 0.05)))
    command = [*COMMAND, "--model", str(tiny_weights), "--jsonl", "-"]
    done = subprocess.run(command, input=name + b"\r\n", capture_output=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["path"] == os.fsdecode(name)


def test_a_name_that_is_no_text_is_one_row(tiny_weights, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    write_wav(tmp_path / "cafe.wav", talk(2.0, 0.05)).rename(os.fsdecode(name))
    command = [*COMMAND, "--model", str(tiny_weights), "--jsonl", "-"]
    done = subprocess.run(command, input=name + b"\n" + name + b".none\n", capture_output=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3 and done.stderr == b""
    assert rows[0]["path_bytes"].endswith("/caf%E9.wav") and rows[0]["path"].endswith("/caf\ufffd.wav")
    assert rows[0]["label"] == "real" and rows[1]["error"]["code"] == "not_found"
