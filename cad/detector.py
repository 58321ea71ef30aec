# SPDX-License-Identifier: Apache-2.0
"""The product, from top to bottom: a file goes in, a Verdict comes out.

Nothing is kept but scores and a few numbers a face: crops are scored as they come and let go, so that a film
needs no more memory than a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cad.clock import seconds_of
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.pool import MediaPool
from cad.media.reader import MediaReader, open_media
from cad.options import DetectOptions
from cad.runtime.scorer import Scorer
from cad.runtime.speech import keep_speech
from cad.stopwatch import Stopwatch
from cad.verdict.aggregate import aggregate
from cad.verdict.analysis import Analysis, min_slots
from cad.verdict.judge import judge
from cad.verdict.records import ModelSummary, Verdict
from cad.verdict.tracks import TrackBook
from cad.windows import WindowCutter, WindowScore


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the analysis of a file is, in seconds of that file."""

    path: str
    done_seconds: float
    total_seconds: float


class Detector:
    """Tells whether a file's face or voice is forged.

    Used as a context manager it keeps its decoding process warm from one file to the next.

    Args:
        options: What to use and what a file may cost.
        progress: Called now and then while a file is analysed.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
        OptionError: The device or a provider is not to be had.
    """

    def __init__(
        self, options: DetectOptions | None = None, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.options = options or DetectOptions()
        self._progress = progress
        self._scorer = Scorer(self.options.model, self.options.providers, self.options.threads, self.options.device)
        self._finder = FaceFinder()
        self._pool: MediaPool | None = None
        self.spec = self._scorer.spec
        self.model = ModelSummary(self._scorer.entry.name, self._scorer.entry.sha256, self._scorer.providers)

    def __enter__(self) -> Self:
        self._pool = MediaPool(self.options.limits)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def detect(self, path: str | Path) -> Verdict:
        """Return the verdict on one file; *cannot decide* is a verdict too, with its reasons.

        Raises:
            MediaError: The file is missing or cannot be read at all; its ``code`` and ``text`` say why.
        """
        return judge(self.analyse(path))

    def analyse(self, path: str | Path) -> Analysis:
        """Return everything that is measured of one file, from which ``cad.verdict.judge`` makes the verdict.

        Raises:
            MediaError: The file is missing or cannot be read at all; its ``code`` and ``text`` say why.
        """
        watch = Stopwatch()
        with watch.stage("open"):
            reader = self._pool.open(path) if self._pool else open_media(path, self.options.limits)
        with reader:
            return self._analyse(str(path), reader, watch)

    def _analyse(self, path: str, reader: MediaReader, watch: Stopwatch) -> Analysis:
        shortest = min_slots(reader.info.kind, self.spec)
        with watch.stage("read"):
            audio = reader.audio() if reader.info.audio else None
        speech = None if audio is None else keep_speech(audio)
        cutter = WindowCutter(speech, shortest)
        book = TrackBook(self.options.keep_pictures)

        scores, video_slots = self._score_faces(reader, cutter, book, watch) if reader.info.video else ([], 0)
        with watch.stage("score"):
            scores += self._scorer.score_stream(cutter.flush())

        slots = max(video_slots, 0 if speech is None else len(speech.present))
        with watch.stage("faces"):
            tracks = book.summaries(speech)
        return Analysis(
            path=path,
            info=reader.info,
            report=reader.report,
            scores=tuple(scores),
            evidence=aggregate(scores, tracks, slots, shortest),
            tracks=tracks,
            slots=slots,
            speech_slots=None if speech is None else int(speech.present.sum()),
            spec=self.spec,
            model=self.model,
            seconds=watch.seconds(),
        )

    def _score_faces(
        self, reader: MediaReader, cutter: WindowCutter, book: TrackBook, watch: Stopwatch
    ) -> tuple[list[WindowScore], int]:
        """Return the scores of all windows with a face but those at the tracks' ends, and the length in slots."""
        tracker = FaceTracker(finder=self._finder)
        scores: list[WindowScore] = []
        stop_slot = 0
        for chunk in watch.timed("read", reader.video_chunks()):
            stop_slot = chunk.first_slot + len(chunk.frames)
            with watch.stage("faces"):
                found = tracker.push(chunk)
            scores += self._score_crops(found, cutter, book, watch)
            self._tell(reader, stop_slot)
        with watch.stage("faces"):
            found = tracker.flush()
        return scores + self._score_crops(found, cutter, book, watch), stop_slot

    def _score_crops(
        self, found: Iterable[FaceCrops], cutter: WindowCutter, book: TrackBook, watch: Stopwatch
    ) -> list[WindowScore]:
        scores: list[WindowScore] = []
        for crops in found:
            with watch.stage("faces"):
                book.note(crops)
            with watch.stage("score"):
                scores += self._scorer.score(cutter.push(crops))
        return scores

    def _tell(self, reader: MediaReader, stop_slot: int) -> None:
        if self._progress is not None:
            self._progress(Progress(reader.info.path, seconds_of(stop_slot), reader.info.duration_seconds))
