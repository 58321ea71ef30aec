# SPDX-License-Identifier: Apache-2.0
"""What the command returns to the shell, whatever happens: 1 only ever means that a file is fake."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from made_media import talk, write_wav
from requirements import needs

from cad.command import ExitCode

COMMAND = [sys.executable, "-m", "cad"]
#: With these options the quiet voice is called fake.
STRICT = ["--fail-on", "fake", "--fake-from", "0.1", "--real-below", "0.05"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_wav(folder / "quiet.wav", talk(2.0, 0.05))
    return folder


def closing(*numbers: int):
    """Return what closes these descriptors in a child before its program starts."""
    return lambda: [os.close(number) for number in numbers]


CLOSED = [some for count in (1, 2, 3) for some in itertools.combinations((0, 1, 2), count)]


@pytest.mark.parametrize("numbers", CLOSED)
def test_closed_standard_streams_change_no_verdict(tiny_weights, clips, numbers):
    """An output that nobody can see is an error of the output, and never an exit code that means something else."""
    for options, code, label in ((["--fail-on", "fake"], 0, "REAL"), (STRICT, 1, "FAKE")):
        command = [*COMMAND, "--model", str(tiny_weights), *options, str(clips / "quiet.wav")]
        out, err = ((None if number in numbers else subprocess.PIPE) for number in (1, 2))
        done = subprocess.run(command, stdout=out, stderr=err, preexec_fn=closing(*numbers), check=False, text=True)
        assert done.returncode == (2 if 1 in numbers else code), done.stderr
        if 1 not in numbers:
            assert f"quiet.wav: {label}" in done.stdout
        elif 2 not in numbers:
            assert "Bad file descriptor" in done.stderr and "Traceback" not in done.stderr


@needs("linux")
def test_the_library_reads_with_its_standard_streams_closed(tiny_weights, clips):
    """A daemon may have none: then the channel to the decoder and its memory have their numbers."""
    code = textwrap.dedent(f"""
        import os
        for number in (0, 1, 2):
            os.close(number)
        from cad import Detector
        with Detector(model={str(tiny_weights)!r}) as detector:
            label = detector.detect({str(clips / "quiet.wav")!r}).label.value
        os._exit(17 if label == "real" else 18)
    """)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 17


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models"], ["--json"], []])
@pytest.mark.parametrize("where", ["/dev/full", "a closed pipe"])
def test_an_output_that_takes_nothing(tiny_weights, clips, arguments, where):
    if arguments in (["--json"], []):
        arguments = [*arguments, "--model", str(tiny_weights), *STRICT, str(clips / "quiet.wav")]
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY) if where == "/dev/full" else writer
    done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == (2 if where == "/dev/full" else 141)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert ("No space left" in done.stderr) == (where == "/dev/full")


@pytest.mark.parametrize(
    "arguments", [["--no-such"], [], ["--html", "/none/page.html", "a.wav"], ["--model", "no", "a"]]
)
def test_an_error_that_cannot_be_said_keeps_its_code(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.returncode == (4 if "--model" in arguments else 2)


def run_with_fault(fault: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command after ``fault``, which breaks something in it."""
    code = f"import sys\n{fault}\nfrom cad.__main__ import main\nmain()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


FAULTS = {
    "an import": "sys.modules['typer'] = None",
    "a later import": "sys.modules['onnxruntime'] = None",
    "of the runtime": "import cad.detector as d\nd.Detector.__init__ = lambda *a: 1 / 0",
    "recursion": "import cad.detector as d\nd.Detector.__init__ = lambda *a: d.Detector.__init__()",
    "memory": "import cad.detector as d\ndef full(*a): raise MemoryError\nd.Detector.__init__ = full",
    "a library that exits": "import cad.detector as d\nd.Detector.__init__ = lambda *a: sys.exit(1)",
    "a library that exits well": "import cad.detector as d\nd.Detector.__init__ = lambda *a: sys.exit()",
    "a library that exits with words": "import cad.detector as d\nd.Detector.__init__ = lambda *a: sys.exit('no')",
    "the command line": "import cad.cli as c\nc.start_logging = lambda *a: 1 / 0",
    "the parser": "import cad.cli as c\nc.show_version = None\nc.detect_app = lambda **k: 1 / 0",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_a_code_of_its_own_and_one_line(clips, fault):
    done = run_with_fault(FAULTS[fault], "--fail-on", "fake", str(clips / "quiet.wav"))
    assert done.returncode == ExitCode.FAULT == 70, done.stderr
    assert done.stderr.splitlines()[-1].startswith("cad-detect: ") and "Traceback" not in done.stderr
    assert ("not enough memory" if fault == "memory" else "a fault of this program") in done.stderr


def test_a_fault_shows_its_traceback_on_request(clips):
    done = run_with_fault(FAULTS["recursion"], "-v", str(clips / "quiet.wav"))
    assert done.returncode == 70 and "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cad-detect: a fault of this program: RecursionError")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_program_starts_is_quiet(clips, number):
    fault = (
        f"import os, signal\nsignal.signal({int(number)}, signal.default_int_handler if {int(number)} == 2 else 0)\n"
    )
    fault += f"import cad.detector as d\nd.Detector.__init__ = lambda *a: os.kill(os.getpid(), {int(number)})"
    done = run_with_fault(fault, str(clips / "quiet.wav"))
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == ""


def test_a_signal_that_whoever_started_it_ignores_stays_ignored(tiny_weights, clips):
    fault = "import os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    fault += "import cad.cli as c\nmade = c.open_detector\n"
    fault += "def kill(*a):\n    os.kill(os.getpid(), signal.SIGHUP)\n    return made(*a)\nc.open_detector = kill"
    done = run_with_fault(fault, "--model", str(tiny_weights), str(clips / "quiet.wav"))
    assert done.returncode == 0 and "REAL" in done.stdout


def test_a_signal_while_python_shuts_down_makes_no_traceback(tiny_weights, clips):
    fault = "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    fault += "signal.signal(signal.SIGINT, signal.default_int_handler)"
    done = run_with_fault(fault, "--model", str(tiny_weights), str(clips / "quiet.wav"))
    assert done.returncode == -signal.SIGINT  # 130 for a shell
    assert "REAL" in done.stdout and done.stderr == ""
