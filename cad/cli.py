# SPDX-License-Identifier: Apache-2.0
"""The command ``cad-detect``: options in, results on stdout, everything else on stderr, an exit code.

Exit codes are those of ``cad.command.ExitCode``; what becomes of faults and signals is said there. A batch that ends
early leaves whole documents of what is done.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from enum import StrEnum
from io import TextIOWrapper
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cad.__main__ import main
from cad.command import STARTED_SECONDS, ExitCode, say
from cad.errors import OptionError
from cad.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from cad.detector import Detector, Progress, Result
    from cad.inputs import Input
    from cad.options import DetectOptions
    from cad.report.writers import HtmlWriter, Writer
    from cad.spec import OperatingPoint
    from cad.weights import WeightsEntry

logger = logging.getLogger(__name__)

EPILOG = (
    "Also: 'cad-detect models' lists the weights with their hashes and figures. Exit codes: 0 all files analysed, "
    "1 --fail-on fake and a file is fake, 2 wrong usage or the output cannot be written, 3 a file could not be read, "
    "4 weights, 70 a fault of this program, 129, 130, 143 stopped by a signal, 141 whoever read the output went away. "
    "A file called 'models' is written './models'."
)
#: What typer raises on wrong usage; newer versions have a copy of click's of their own.
UsageError = cast(type[Exception], typer.BadParameter.__base__)


class FailOn(StrEnum):
    """Labels that ``--fail-on`` turns into exit code 1."""

    FAKE = "fake"


class DeviceChoice(StrEnum):
    """Values of ``--device``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"
    COREML = "coreml"
    DIRECTML = "directml"


detect_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
models_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def run(arguments: list[str]) -> int:
    """Run the command: ``models`` if that is the first word, else detection on the files named."""
    # Names of files are bytes; one that is not text in this locale must not end the batch.
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace"), (sys.stderr, "replace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(newline="\n")  # a carriage return may be part of a name
    app, words, name = detect_app, arguments, "cad-detect"
    if arguments[:1] == ["models"]:
        app, words, name = models_app, arguments[1:], "cad-detect models"
    try:
        work = app(args=words, prog_name=name, standalone_mode=False)
        # --help and --version do their work while the words are parsed.
        return work() if callable(work) else int(work or ExitCode.OK)
    except UsageError as error:
        say(name, f"{cast(Any, error).format_message()} ({name} --help tells more)")
        return ExitCode.USAGE
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer and rich make 1 of it
            raise error.__context__ from None
        raise RuntimeError(f"something wants the program to exit ({error.code})") from error


def show_version(wanted: bool) -> None:
    """Print the version and stop, if wanted."""
    if wanted:
        from cad import __version__

        typer.echo(f"cad-detect {__version__}")
        raise typer.Exit


@detect_app.command(epilog=EPILOG)
def detect(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Videos, stills or sound; '-' reads paths from standard input."),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document: an object for one file, an array for more.")
    ] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, as soon as a file is done.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="REPORT", help="Also write a page that needs nothing else.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let --html replace a file that is no report (never one of FILE...).")
    ] = False,
    fail_on: Annotated[
        FailOn | None, typer.Option("--fail-on", help="Exit with code 1 if a file has this label.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search folders for media files.")] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Name of weights, or path of their folder or ONNX file.", show_default=False),
    ] = None,
    device: Annotated[
        DeviceChoice,
        typer.Option("--device", help="What the model runs on; auto: a CUDA GPU if one starts, else the CPU."),
    ] = DeviceChoice.AUTO,
    providers: Annotated[
        str | None, typer.Option("--providers", help="ONNX Runtime providers, comma-separated; overrides --device.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads of the model; 0 takes every core.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files that are analysed at the same time.")] = 1,
    fake_from: Annotated[
        float | None, typer.Option("--fake-from", help="Probability that is called fake.", show_default=False)
    ] = None,
    real_below: Annotated[
        float | None, typer.Option("--real-below", help="Probability under which it is real.", show_default=False)
    ] = None,
    video_track: Annotated[
        list[int] | None,
        typer.Option(
            "--video-track", min=1, help="Judge only this picture of the file, from 1; repeatable.", show_default=False
        ),
    ] = None,
    audio_track: Annotated[
        list[int] | None,
        typer.Option(
            "--audio-track", min=1, help="Judge only this sound of the file, from 1; repeatable.", show_default=False
        ),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", help="Longest file, in seconds of media.", show_default=False)
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", help="Most pixels a frame may have.", show_default=False)
    ] = None,
    max_bytes: Annotated[int | None, typer.Option("--max-bytes", help="Largest file.", show_default=False)] = None,
    memory_bytes: Annotated[
        int | None, typer.Option("--memory-bytes", help="Memory of the decoding process.", show_default=False)
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", help="Seconds that a file may take, all in all.", show_default=False)
    ] = None,
    require_sandbox: Annotated[
        bool, typer.Option("--require-sandbox", help="Read no file where the kernel does not confine its decoder.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show on stderr where the time of every file went.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More detail, and tracebacks of faults.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> Callable[[], ExitCode]:
    """Tell whether the face or the voice in FILE... is forged, and show the evidence."""
    if json and jsonl:
        raise typer.BadParameter("--json and --jsonl exclude each other")
    start_logging(quiet, verbose)

    def work() -> ExitCode:
        from cad.inputs import expand_inputs
        from cad.media.limits import MediaLimits
        from cad.options import DetectOptions

        limits: dict[str, Any] = {
            "max_duration_seconds": max_seconds,
            "max_pixels_per_frame": max_pixels,
            "max_file_bytes": max_bytes,
            "memory_bytes": memory_bytes,
            "wall_seconds": timeout,
        }
        point = read_operating_point(fake_from, real_below)
        options = DetectOptions(
            model=model,
            device=device.value,
            providers=tuple(name.strip() for name in providers.split(",")) if providers else None,
            threads=threads,
            limits=MediaLimits(**{name: value for name, value in limits.items() if value is not None}),
            operating_point=point,
            require_sandbox=require_sandbox,
            keep_pictures=html is not None,
            video_tracks=tuple(video_track) if video_track else None,
            audio_tracks=tuple(audio_track) if audio_track else None,
        )
        page = open_page(html, overwrite, files)
        writers = [open_writer(files, json, jsonl, verbose), *([page] if page else [])]
        shown = not quiet and sys.stderr.isatty()
        with open_progress(shown) as progress, open_detector(options, progress) as detector:
            if profile:
                writers.append(open_profile())
            items = expand_inputs(files, sys.stdin, recursive)
            batch = results(detector, items if page is None else spared(items, page), jobs)
            return run_batch(batch, writers, fail_on, None if names_more(files) else len(files))

    return work


@models_app.command()
def models(
    json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> Callable[[], ExitCode]:
    """List the weights in the package with their sha256 and their figures."""
    return lambda: print_models(as_json=json)


class LineFormatter(logging.Formatter):
    """Gives a message of the log one line of text that is safe to show, whatever names are in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a message."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the lines of a traceback."""
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))


def start_logging(quiet: bool, verbose: bool) -> None:
    """Send the package's log to stderr; only the command does that, a library must not."""
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("cad-detect: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("cad").setLevel(level)


def read_operating_point(fake_from: float | None, real_below: float | None) -> OperatingPoint | None:
    """Return where the label changes if the flags say so.

    Raises:
        OptionError: Only one of the two was given.
    """
    from cad.spec import OperatingPoint

    if fake_from is None and real_below is None:
        return None
    if fake_from is None or real_below is None:
        raise OptionError("--fake-from and --real-below go together: between them a file is inconclusive")
    return OperatingPoint(fake_from, real_below, chosen_on="the command line")


def open_writer(files: list[str], json: bool, jsonl: bool, verbose: bool) -> Writer:
    """Return what writes the results to stdout."""
    from cad.report.writers import JsonLinesWriter, JsonWriter, TextWriter

    if json:
        return JsonWriter(sys.stdout, single=len(files) == 1 and not names_more(files))
    return JsonLinesWriter(sys.stdout) if jsonl else TextWriter(sys.stdout, verbose)


def names_more(files: list[str]) -> bool:
    """Say whether an argument may stand for any number of files: a folder, or ``-``."""
    return any(file == "-" or os.path.isdir(file) for file in files)  # noqa: PTH112 - never raises


def open_page(html: Path | None, overwrite: bool, files: list[str]) -> HtmlWriter | None:
    """Return what writes the report, if one is wanted.

    Raises:
        OptionError: The report cannot be written where it should, or would replace one of the files.
    """
    from cad.report.writers import HtmlWriter

    if html is None:
        return None
    page = HtmlWriter(html, overwrite)
    for file in files:
        if file != "-":
            page.spare(file)
    return page


def spared(items: Iterable[Input], page: HtmlWriter) -> Iterator[Input]:
    """Yield the inputs, each once it is known that the report does not replace it.

    Raises:
        OptionError: It would.
    """
    for item in items:
        page.spare(item.path)
        yield item


def open_profile() -> Writer:
    """Return what writes where the time went."""
    from cad.report.profile import ProfileWriter

    return ProfileWriter(sys.stderr, time.perf_counter() - STARTED_SECONDS)


def open_progress(shown: bool) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """Return a context that gives a callback which draws a bar on stderr, or None where none is wanted."""
    if not shown:
        return nullcontext(None)
    from cad.report.progress_bar import ProgressBar

    return ProgressBar()


def open_detector(options: DetectOptions, progress: Callable[[Progress], None] | None) -> Detector:
    """Return the detector, after a warning where several builds of ONNX Runtime are installed.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
        OptionError: The device or a provider is not available.
    """
    from cad.detector import Detector
    from cad.runtime.providers import other_runtimes_warning

    warning = other_runtimes_warning()
    if warning:
        logger.warning(warning)
    return Detector(options, progress)


def run_batch(batch: Iterable[Result], writers: list[Writer], fail_on: FailOn | None, total: int | None) -> ExitCode:
    """Give each result to every writer, and return the exit code.

    If it cannot go on to the end (a signal, a full disk, a fault), what is done is written whole all the same, and it
    is said how many files were left out.

    Args:
        batch: The results.
        writers: Take them.
        fail_on: Label that is exit code FAKE_FOUND.
        total: How many files there are, None if that is not known.
    """
    failed = hit = is_over = False
    done = 0
    try:
        for result in batch:
            for writer in writers:
                writer.take(result)
            done += 1
            failed = failed or result.verdict is None
            hit = hit or (result.verdict is not None and result.verdict.label.value == fail_on)
        is_over = True
        for writer in writers:
            writer.close()
    except BaseException as error:
        left_out = "" if is_over else left_out_text(done, total)
        for writer in writers:
            with suppress(Exception):
                writer.close(left_out)
        if left_out and not isinstance(error, BrokenPipeError):
            say("cad-detect", left_out)
        raise
    return ExitCode.FAKE_FOUND if hit else ExitCode.INPUT_FAILED if failed else ExitCode.OK


def left_out_text(done: int, total: int | None) -> str:
    """Return how many files were not analysed when a batch ends early."""
    if total is None:
        return f"stopped after {done} files; those after them were not analysed"
    return f"{total - done} of {total} files were not analysed"


def results(detector: Detector, items: Iterable[Input], jobs: int) -> Iterator[Result]:
    """Yield what is said of every input, in order; one that names no file is an error of its own."""
    from cad.detector import Result

    for names_none, group in groupby(items, key=lambda item: item.error is not None):
        if names_none:
            yield from (Result(item.path, error=item.error) for item in group)
        else:
            yield from detector.detect_many((item.path for item in group), jobs)


def print_models(as_json: bool) -> ExitCode:
    """Print the weights in the package."""
    import json

    from cad.weights import WeightsEntry, default_of, try_entries

    found = list(try_entries())
    for one in found:
        if not isinstance(one, WeightsEntry):
            say("cad-detect", one)
    entries = [one for one in found if isinstance(one, WeightsEntry)]
    detectors = [entry for entry in entries if entry.kind == "detector"]
    default = default_of(detectors).name if detectors else None
    if as_json:
        rows = [{"name": entry.name, "default": entry.name == default, **entry.manifest} for entry in entries]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for entry in entries:
            typer.echo(model_text(entry, is_default=entry.name == default))
    return ExitCode.OK if detectors and len(entries) == len(found) else ExitCode.WEIGHTS


def model_text(entry: WeightsEntry, is_default: bool) -> str:
    """Return the lines on one set of weights."""
    size = entry.path.stat().st_size / 1e6 if entry.path.is_file() else 0.0
    lines = [
        f"{entry.name} ({entry.kind}{', default' if is_default else ''}), {size:.1f} MB",
        f"  sha256 {entry.sha256}",
    ]
    for name, value in dict(entry.manifest.get("figures", {})).items():
        # Figures by size or by point are in the card.
        if isinstance(value, int | float | str):
            lines.append(f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}")
    return "\n".join(printable(line) for line in lines)


if __name__ == "__main__":
    main()
