# SPDX-License-Identifier: Apache-2.0
"""A batch that ends before its end leaves what is done as whole documents, and no process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest
from left_behind import group_is_gone
from made_media import talk, write_video, write_wav

from cad.cli import main
from cad.report.writers import HtmlWriter

COMMAND = [sys.executable, "-m", "cad"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files that are done at once, and one that takes long."""
    folder = tmp_path_factory.mktemp("clips")
    short = [write_wav(folder / name, talk(1.0)) for name in ("a.wav", "b.wav")]
    return [*map(str, short), str(write_video(folder / "c.mp4", 120.0, sound=talk(120.0)))]


def start(tiny_weights, tmp_path, *arguments: str) -> subprocess.Popen[str]:
    folder = tmp_path / "temporary"
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, "--model", str(tiny_weights), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
        # Whoever starts the tests in the background (nohup) leaves signals ignored, and that is inherited.
        preexec_fn=heed_signals,
    )


def heed_signals() -> None:
    """Take back that signals are ignored."""
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what is still to come on stdout and stderr, once the process is gone."""
    assert process.stdout is not None and process.stderr is not None
    rest, err = process.stdout.read(), process.stderr.read()
    process.wait(timeout=60)
    return rest, err


class Tags(HTMLParser):
    """Counts what is open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.depth = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.depth += tag in ("html", "body", "section", "div", "table")

    def handle_endtag(self, tag):
        self.depth -= tag in ("html", "body", "section", "div", "table")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_signal_leaves_an_array_and_a_page_of_what_is_done(tiny_weights, tmp_path, files, number, jobs):
    page = tmp_path / "page.html"
    process = start(tiny_weights, tmp_path, "--json", "--jobs", jobs, "--html", str(page), *files)
    assert process.stdout is not None
    before = ""
    while f'"path": "{files[1]}"' not in before:  # two files are done: the third one is being read
        before += process.stdout.readline()
    time.sleep(0.3)
    os.killpg(process.pid, number)
    rest, err = rest_of(process)
    assert process.returncode == 128 + number
    documents = json.loads(before + rest)
    assert [document["path"] for document in documents] == files[:2]
    assert err == "cad-detect: 1 of 3 files were not analysed\n"
    text = page.read_text(encoding="utf-8")
    assert text.count("<section>") == 2 and text.endswith("</html>\n") and Tags(text).depth == 0
    assert "ends early: 1 of 3 files were not analysed" in text
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "temporary"]
    assert group_is_gone(process.pid), "a decoding process is still there"


def test_a_second_signal_does_not_wait(tiny_weights, tmp_path, files):
    """With jobs the first one lets those at work come to the end of their second."""
    stuck = "import cad.batch as b, time\nb.ThreadPoolExecutor.shutdown = lambda *a, **k: time.sleep(60)\n"
    code = f"{stuck}import sys\nfrom cad.__main__ import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--model", str(tiny_weights), "--json", "--jobs", "2", *files[:2], *files[2:] * 3],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=heed_signals,
    )  # fmt: skip
    assert process.stdout is not None
    before = "".join(process.stdout.readline() for _ in range(2))
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    begun = time.monotonic()
    rest = process.stdout.read()
    assert json.loads(before + rest)[0]["path"] == files[0]
    os.kill(process.pid, signal.SIGINT)  # threads at work would hold Python's end up
    assert process.wait(timeout=30) in (130, -signal.SIGINT)
    assert time.monotonic() - begun < 30
    assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_signal_that_comes_twice_at_once_is_one(tiny_weights, tmp_path, files):
    """As ``timeout`` sends it: to the process and to its group."""
    process = start(tiny_weights, tmp_path, "--json", *files)
    assert process.stdout is not None
    before = "".join(process.stdout.readline() for _ in range(2))
    time.sleep(0.3)
    for _ in range(5):
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.01)
    rest, err = rest_of(process)
    assert process.returncode == 143 and json.loads(before + rest) and "Traceback" not in err


@pytest.fixture
def run(tiny_weights, capsys):
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["--model", str(tiny_weights), *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_a_fault_in_the_second_file_leaves_the_first(run, files, tmp_path, monkeypatch):
    import cad.cli

    real = cad.cli.results

    def broken(*arguments):
        yield next(real(*arguments))
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(cad.cli, "results", broken)
    code, out, err = run("--json", "--html", tmp_path / "page.html", *files)
    assert code == 70 and [one["path"] for one in json.loads(out)] == files[:1]
    assert err.splitlines()[0] == "cad-detect: 2 of 3 files were not analysed" and "boom" in err.splitlines()[1]
    assert (tmp_path / "page.html").read_text().count("<section>") == 1


def test_before_the_first_file_is_done_the_last_page_stays(run, files, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    HtmlWriter(page).close()
    last = page.read_bytes()

    def stopped(*arguments):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("cad.cli.results", stopped)
    code, out, err = run("--json", "--html", page, *files)
    assert (code, json.loads(out), err) == (130, [], "cad-detect: 3 of 3 files were not analysed\n")
    assert page.read_bytes() == last


@pytest.mark.parametrize("where", ["/dev/full", "a closed pipe"])
def test_a_page_is_written_although_stdout_takes_nothing(tiny_weights, tmp_path, files, where):
    page = tmp_path / "page.html"
    reader, writer = os.pipe()
    os.close(reader)
    out = os.open("/dev/full", os.O_WRONLY) if where == "/dev/full" else writer
    # The page takes a file's result before stdout fails.
    code = "import cad.cli as c\nmade = c.run_batch\n"
    code += "c.run_batch = lambda batch, writers, *rest: made(batch, writers[::-1], *rest)\n"
    code += "from cad.__main__ import main\nmain()"
    command = [sys.executable, "-c", code, "--model", str(tiny_weights), "--json", "--html", str(page), *files[:2]]
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == (2 if where == "/dev/full" else 141)
    assert page.read_text().count("<section>") == 1 and "2 of 2 files were not analysed" in page.read_text()


def test_results_are_written_as_they_come(tiny_weights, tmp_path, files):
    process = start(tiny_weights, tmp_path, "--json", *files)
    assert process.stdout is not None
    assert process.stdout.readline() == "[\n"
    assert process.poll() is None  # the long file is not done
    process.kill()
    process.communicate(timeout=60)
