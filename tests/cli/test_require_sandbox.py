# SPDX-License-Identifier: Apache-2.0
"""cad-detect says what confined the decoder, warns where nothing did, and reads nothing then if it is told so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_containers import FORBID_FILTERS
from made_media import DARK, stand_in_for_faces, talk, write_video, write_wav
from requirements import needs

from cad.cli import main
from cad.media import confinement
from cad.media import process as process_module

pytestmark = needs("linux", "seccomp")
ROOT = Path(__file__).resolve().parents[2]
WITHOUT_FILTER = """
import sys; sys.path += sys.argv[4:]
import cad.media.worker as worker
import cad.media.sandbox as sandbox
sandbox.refuse_system_calls = lambda *_, **__: False
worker.main(sys.argv[1:4])
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command on two files; return the exit code, stdout and stderr."""
    stand_in_for_faces(monkeypatch)
    confinement._warn.cache_clear()
    files = [write_video(tmp_path / f"{name}.mp4", 2.0, DARK, talk(2.0, 0.05)) for name in "ab"]

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["--model", str(tiny_weights), *arguments, *map(str, files)])
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_what_confined_the_decoder_is_in_every_form_of_the_result(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, err = run("--json", "--require-sandbox", "--html", str(page))
    assert code == 0 and err == ""
    sandboxes = [document["media"]["sandbox"] for document in json.loads(out)]
    assert all({"limits", "seccomp"} <= set(one) for one in sandboxes) and len(sandboxes) == 2
    assert f"decoded under</td><td>{', '.join(sandboxes[0])}" in page.read_text()
    _, out, _ = run("--verbose")
    assert out.count(f"  bounds {', '.join(sandboxes[0])}\n") == 2


def test_where_filters_are_forbidden_that_is_said_once_on_stderr_and_in_the_result(
    tiny_weights: Path, tmp_path: Path
) -> None:
    voice = write_wav(tmp_path / "voice.wav", talk(2.0, 0.05))
    script = f"{FORBID_FILTERS}\nfrom cad.cli import main\nmain(sys.argv[1:])"
    arguments = ["--jsonl", "--model", str(tiny_weights), str(voice), str(voice)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.count("no system-call filter") == 1 == done.stderr.count("\n")
    sandboxes = [json.loads(line)["media"]["sandbox"] for line in done.stdout.splitlines()]
    assert len(sandboxes) == 2 and all("limits" in one and "seccomp" not in one for one in sandboxes)


def test_who_insists_gets_an_error_for_every_file_and_exit_code_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_BOOT", WITHOUT_FILTER)
    code, out, _ = run("--json", "--require-sandbox")
    assert code == 3
    errors = [document["error"] for document in json.loads(out)]
    assert [error["code"] for error in errors] == ["unconfined"] * 2
    assert all("no system-call filter" in error["text"] for error in errors)
