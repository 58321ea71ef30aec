# SPDX-License-Identifier: Apache-2.0
"""Where ``--html`` may write: never over evidence, and whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_media import stand_in_for_faces, talk, write_wav
from requirements import needs

from cad.cli import main
from cad.errors import OptionError
from cad.report.writers import HtmlWriter, is_report
from cad.whole_files import written_beside


@pytest.fixture
def run(tiny_weights, monkeypatch, capsys):
    """Run the command with the tiny model; return the exit code, stdout and stderr."""
    stand_in_for_faces(monkeypatch)

    def call(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(["--model", str(tiny_weights), *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def clips(tmp_path):
    return [write_wav(tmp_path / name, talk(2.0, 0.05)) for name in ("a.wav", "b.wav")]


def assert_refused(answer: tuple[int, str, str], says: str) -> None:
    """Check for exit code 2 and one line, before any result."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and says in err


def another_name(kind: str, file: Path) -> Path:
    """Return another name of a file, in the folder beside it."""
    folder = file.parent / "other"
    folder.mkdir()
    place = folder / "page.html"
    if kind == "hard link":
        place.hardlink_to(file)
    elif kind == "symbolic link":
        place.symlink_to(file)
    elif kind == "folder link":
        (folder / "link").symlink_to(file.parent)
        place = folder / "link" / file.name
    elif kind == "dots":
        place = folder / ".." / file.name
    return file if kind == "name" else place


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
@pytest.mark.parametrize("kind", ["name", "hard link", "symbolic link", "folder link", "dots"])
def test_an_input_is_never_replaced(run, clips, kind, flags):
    before = clips[0].read_bytes()
    assert_refused(run("--html", another_name(kind, clips[0]), *flags, *clips), "cannot be written")
    assert_refused(run("--html", clips[0], *flags, clips[1], clips[0]), "to be analysed" if flags else "")
    assert clips[0].read_bytes() == before


def test_an_input_under_another_name_is_never_replaced(run, clips):
    link = clips[0].with_name("link.wav")
    link.symlink_to(clips[0])
    assert_refused(run("--html", clips[0], "--overwrite", link), "to be analysed")


@pytest.mark.parametrize("recursive", [False, True])
def test_an_input_that_becomes_known_later_is_never_replaced(run, clips, recursive):
    before = clips[1].read_bytes()
    arguments = ["--recursive", clips[0].parent] if recursive else ["-"]
    stdin = "" if recursive else f"{clips[0]}\n{clips[1]}\n"
    code, _, err = run("--html", clips[1], "--overwrite", *arguments, stdin=stdin)
    assert code == 2 and "to be analysed" in err.splitlines()[-1] and "not analysed" in err.splitlines()[0]
    assert clips[1].read_bytes() == before
    assert sorted(path.name for path in clips[0].parent.iterdir()) == ["a.wav", "b.wav"]


def test_a_file_that_is_no_report_is_replaced_on_request_only(run, clips, tmp_path):
    letter = tmp_path / "letter.html"
    letter.write_text("<!doctype html>\n<title>Dear Sir or Madam</title>")
    assert_refused(run("--html", letter, clips[0]), "--overwrite")
    assert "Madam" in letter.read_text()
    assert run("--html", letter, "--overwrite", clips[0])[0] == 0
    assert is_report(letter)
    assert run("--html", letter, clips[0])[0] == 0  # a report is replaced by the next


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device", "link", "link to a report", "dangling link"])
def test_what_is_no_regular_file_stays(run, clips, tmp_path, monkeypatch, kind, flags):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    place = tmp_path / "place"
    target = tmp_path / "target.html"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind("place")
    elif kind == "device":
        place = Path("/dev/null")
    else:
        place.symlink_to(target)
        if kind == "link":
            target.write_text("a letter")
        elif kind == "link to a report":
            assert run("--html", target, clips[0])[0] == 0
    before = place.lstat(), target.read_bytes() if target.exists() else None
    assert_refused(run("--html", place, *flags, clips[0]), "symbolic link" if "link" in kind else "pipe")
    after = place.lstat(), target.read_bytes() if target.exists() else None
    assert (after[0].st_ino, after[0].st_mode, after[1]) == (before[0].st_ino, before[0].st_mode, before[1])


@pytest.mark.parametrize("name", ["x" * 300, "none/page.html", "a.wav/page.html"])
def test_a_place_that_cannot_be_is_one_line(run, clips, tmp_path, name):
    assert_refused(run("--html", tmp_path / name, clips[0]), "cannot be written")


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    with pytest.raises(OptionError, match="null byte"):
        HtmlWriter(tmp_path / "nu\0l.html")


def test_a_name_of_the_greatest_length_will_do(run, clips, tmp_path):
    assert run("--html", tmp_path / ("x" * 255), clips[0])[0] == 0


def test_the_mode_is_what_the_umask_asks_for(run, clips, tmp_path):
    old = os.umask(0o027)
    try:
        assert run("--html", tmp_path / "page.html", clips[0])[0] == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o640


def test_what_comes_to_lie_there_during_the_work_stays(tmp_path):
    writer = HtmlWriter(tmp_path / "page.html")
    (tmp_path / "page.html").write_text("a letter")
    with pytest.raises(OptionError, match="no report"):
        writer.close()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a letter"]


def test_a_folder_that_vanishes_is_one_line(run, clips, tmp_path, monkeypatch):
    folder = tmp_path / "reports"
    folder.mkdir()
    take = HtmlWriter.take

    def take_and_remove(writer, result):
        take(writer, result)
        folder.rmdir()

    monkeypatch.setattr(HtmlWriter, "take", take_and_remove)
    code, out, err = run("--html", folder / "page.html", clips[0])
    assert code == 2 and "REAL" in out
    assert len(err.splitlines()) == 1 and "page.html cannot be written" in err


@pytest.mark.parametrize("when", ["while files are analysed", "at the end"])
def test_a_full_disk_leaves_the_last_report_and_nothing_else(run, clips, tmp_path, monkeypatch, when):
    page = tmp_path / "page.html"
    assert run("--html", page, clips[0])[0] == 0
    before = page.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "at the end":
        monkeypatch.setattr("cad.report.writers.shutil.copyfileobj", full)
    else:
        made = tempfile.TemporaryFile

        def small(dir):
            assert dir == tmp_path
            file = made(dir=dir)
            return SimpleNamespace(write=full, flush=file.flush, close=file.close, closed=False)

        monkeypatch.setattr("cad.report.writers.tempfile.TemporaryFile", small)
    code, _, err = run("--html", page, clips[0])
    assert code == 2 and "No space left" in err and "page.html" in err
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav", "page.html"]


@needs("linux")
def test_a_file_that_may_grow_no_further_is_one_line(tmp_path):
    """As on a full disk: what the kernel refuses while the page grows."""
    script = f"""
import resource, sys
from pathlib import Path
from cad.command import run_command
from cad.detector import Result
from cad.errors import MediaError
from cad.report.writers import HtmlWriter
def work():
    writer = HtmlWriter(Path({str(tmp_path / "page.html")!r}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    for _ in range(100):
        writer.take(Result("a", error=MediaError("a", "x" * 1000)))
    return 0
raise SystemExit(run_command(work, "tool"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "page.html" in line and "File too large" in line and list(tmp_path.iterdir()) == []


@needs("linux")
@pytest.mark.parametrize("place", ["/dev/stdout", "/proc/self/fd/1", "/dev/stderr", "/dev/full", "/dev/null"])
@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_a_name_of_a_stream_or_device_is_refused(run, clips, place, flags):
    before = os.lstat(place).st_mode
    assert_refused(run("--html", place, *flags, clips[0]), "cannot be written")
    assert os.lstat(place).st_mode == before


def test_a_page_in_a_folder_behind_a_link_is_written_there(run, clips, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert run("--html", tmp_path / "link" / "page.html", clips[0])[0] == 0
    assert is_report(tmp_path / "real" / "page.html") and (tmp_path / "link").is_symlink()


def test_another_name_of_a_report_keeps_the_last_one(run, clips, tmp_path):
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    assert run("--html", page, clips[0])[0] == 0
    other.hardlink_to(page)
    last = page.read_bytes()
    assert run("--html", page, clips[1])[0] == 0
    assert other.read_bytes() == last != page.read_bytes()


@pytest.mark.parametrize("kind", ["letter", "pipe", "link"])
def test_what_comes_to_lie_there_after_the_last_look_stays(tmp_path, monkeypatch, kind):
    """Between the look and the move there is no moment in which anything is lost."""
    page = tmp_path / "page.html"
    writer = HtmlWriter(page)
    look = HtmlWriter._may_replace
    looks = []

    def look_and_put(self):
        answer = look(self)
        looks.append(answer)
        if len(looks) == 2:  # the first one is before the page is written
            if kind == "letter":
                page.write_text("a letter")
            elif kind == "pipe":
                os.mkfifo(page)
            else:
                page.symlink_to("elsewhere")
        return answer

    monkeypatch.setattr(HtmlWriter, "_may_replace", look_and_put)
    with pytest.raises(OSError, match="cannot be written"):
        writer.close()
    mode = page.lstat().st_mode
    assert {"letter": stat.S_ISREG, "pipe": stat.S_ISFIFO, "link": stat.S_ISLNK}[kind](mode)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder"])
def test_whatever_a_tool_writes_replaces_regular_files_alone(tmp_path, kind):
    """``written_beside`` is what every file goes through that a user names to a tool."""
    place, target = tmp_path / "place", tmp_path / "target"
    target.write_text("a letter")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place = Path("/dev/null")
    elif kind == "link":
        place.symlink_to(target)
    else:
        place.mkdir()
    before = place.lstat().st_ino, place.lstat().st_mode
    with pytest.raises(OSError, match="symbolic link" if kind == "link" else "no regular file"), written_beside(place):
        pytest.fail("nothing is to be made for a place that cannot be")
    assert (place.lstat().st_ino, place.lstat().st_mode) == before and target.read_text() == "a letter"
    assert not place.with_name(f"{place.name}.part").exists()
