# SPDX-License-Identifier: Apache-2.0
"""The product, from top to bottom: a clip goes in, a Verdict comes out.

It keeps scores and a few numbers a face; crops are scored as they come and let go, so that a film needs no more
memory than a clip.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, cast

from cad.batch import in_order
from cad.behind import Behind
from cad.clock import seconds_of
from cad.closing import Closing
from cad.deadline import Deadline
from cad.errors import AnalysisFailedError, MediaError, MediaTimeoutError, OptionError
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.track_book import TrackBook
from cad.faces.tracker import LAG_SLOTS, FaceTracker
from cad.freed_memory import give_back
from cad.media.coverage import out_of_time
from cad.media.input import MediaInput
from cad.media.pool import MediaPool
from cad.media.records import MediaInfo, MediaKind, Outcome, ReadReport, VideoFrames
from cad.media.source import MediaSource
from cad.media.track_reading import read_picture, read_report
from cad.media.tracks import Scene, choose_tracks, with_only
from cad.options import DetectOptions
from cad.runtime.held import HeldScores
from cad.runtime.scorer import Scorer
from cad.scores import PackedScores
from cad.sounds import Sound, hear_sounds
from cad.spec import with_operating_point
from cad.speech_net import speech_net
from cad.stopwatch import Stopwatch
from cad.verdict.aggregate import aggregate
from cad.verdict.analysis import Analysis, UnjudgedTrack
from cad.verdict.document import error_document
from cad.verdict.judge import judge
from cad.verdict.records import ModelSummary, Verdict
from cad.verdict.track_reasons import NOT_JUDGED
from cad.versions import versions
from cad.windows import Window, WindowCutter

logger = logging.getLogger(__name__)

#: So many lots of windows (of one face 4 MB each) may wait to be scored while the next pictures are searched for faces.
MOST_WAITING = 4

#: What can be judged: a file by its path, its bytes or a binary stream, or what the caller has decoded.
Clip = MediaInput | MediaSource


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the analysis of a clip is.

    Attributes:
        path: Which clip.
        done_seconds: What has been looked at, in seconds of the clip.
        total_seconds: Its length, 0 while that is not known.
        stage: ``read`` (sound is decoded), ``picture`` (faces are found and scored) or ``sound`` (speech is scored).
    """

    path: str
    done_seconds: float
    total_seconds: float
    stage: str


@dataclass(frozen=True, slots=True)
class Result:
    """A batch's result for one clip: a verdict, or why there is none.

    Attributes:
        path: The clip as the caller named it.
        verdict: What is said of it, or None.
        analysis: What was measured of it, or None.
        error: Why it could not be analysed, or None.
    """

    path: str
    verdict: Verdict | None = None
    analysis: Analysis | None = None
    error: MediaError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict or the error as plain values under the schema ``cad.verdict/1``."""
        if self.verdict is not None:
            return self.verdict.to_dict()
        error = self.error or AnalysisFailedError(self.path, "nothing is known of it")
        return error_document(self.path, error)


@dataclass(slots=True)
class Listener:
    """One sound of a picture while its windows are cut and scored."""

    sound: Sound
    cutter: WindowCutter
    scorer: HeldScores
    scores: PackedScores = field(default_factory=PackedScores)

    @property
    def stop_slot(self) -> int:
        """Where the last window ends that was scored."""
        return max((score.first_slot + score.slots for score in self.scores), default=0)


class Detector(Closing):
    """Tells whether a clip's face or voice is forged.

    One detector may be used by several threads at once, in the process that made it. It keeps decoding processes warm
    from one clip to the next; they end with ``close()``, with the ``with`` block, or when the detector is no longer
    referred to.

    Args:
        options: What to use and what a clip may cost.
        progress: Called now and then while a clip is analysed, on the thread that analyses it. An exception that it
            raises cancels the analysis of that clip and comes out of the call.
        choices: Fields of DetectOptions by name, such as ``model="cad_small_3"`` or ``device="cpu"``; they stand
            above ``options``.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
        OptionError: There is no such field, a value is not accepted, or the device or a provider is not available.

    Attributes:
        options: As given.
        spec: What the model expects and what its numbers mean, under the chosen operating point.
        model: Which weights, on what.
        nets: sha256 by name of every net that has a part in a verdict.
    """

    def __init__(
        self,
        options: DetectOptions | None = None,
        progress: Callable[[Progress], None] | None = None,
        **choices: Any,
    ) -> None:
        known = [field.name for field in dataclasses.fields(DetectOptions)]
        if unknown := sorted(set(choices) - set(known)):
            raise OptionError(f"there is no option {', '.join(unknown)}; there are {', '.join(known)}")
        self.options = dataclasses.replace(options or DetectOptions(), **choices)
        self._progress = progress
        self._pid = os.getpid()
        self._pool = MediaPool(self.options.limits, require_sandbox=self.options.require_sandbox)
        self._end_pool = weakref.finalize(self, self._pool.close)
        self._pool.warm_up()  # the decoding process starts while the nets are loaded
        chosen = self.options.model, self.options.providers, self.options.threads, self.options.device
        self._scorer = Scorer(*chosen, opens_later=True)  # its net is loaded while the first file is read
        self._finder = FaceFinder()
        entry = self._scorer.entry
        self.spec = with_operating_point(self._scorer.spec, self.options.operating_point)
        self.model = ModelSummary(entry.name, entry.sha256, self._scorer.providers)
        self.nets = {entry.name: entry.sha256, **self._finder.nets, **speech_net().nets}

    def close(self) -> None:
        """End the decoding processes that wait; clips that other threads are analysing go on to their end."""
        self._end_pool()

    def detect(self, clip: Clip) -> Verdict:
        """Return the verdict on one clip; *cannot decide* is a verdict too, with its reasons.

        Args:
            clip: A path, the bytes of a file, a binary stream, or a MediaSource such as ArraySource (which the caller
                closes).

        Raises:
            MediaError: The clip is missing or cannot be read at all; its ``code`` and ``text`` say why.
            OptionError: It is none of these, or the detector is closed.
        """
        return judge(self.analyse(clip), self.spec)

    def detect_many(self, clips: Iterable[Clip], jobs: int = 1) -> Iterator[Result]:
        """Yield a result for each clip, in order; whatever goes wrong inside one is its result, and the others go on.

        Closing the iterator cancels: clips that wait are not begun, and those being analysed end at their next second.

        Args:
            clips: As ``detect`` takes them; they are taken one by one, as they are needed.
            jobs: Clips that are analysed at the same time, each with a decoding process of its own.

        Raises:
            OptionError: ``jobs`` is less than 1, or the detector is closed.
        """
        if jobs < 1:
            raise OptionError(f"jobs is {jobs}; it must be 1 or more")
        self._check_open()
        self._pool.keep(jobs)
        return in_order(self._result, clips, jobs)

    def analyse(self, clip: Clip) -> Analysis:
        """Return everything that is measured of one clip, from which ``cad.judge`` makes the verdict.

        Raises:
            MediaError: The clip is missing or cannot be read at all; its ``code`` and ``text`` say why.
            OptionError: It is nothing that can be judged, or the detector is closed.
        """
        return self._open_and_analyse(clip, Event())

    def _open_and_analyse(self, clip: Clip, cancelled: Event) -> Analysis:
        self._check_open()
        watch, deadline = Stopwatch(), Deadline(self.options.limits.wall_seconds)
        with watch.stage("open"):
            opened = self._open(clip, deadline)
        try:
            with opened as source:
                info = source.info  # now: once the file has been read, asking for it waits for its sha256
                check = partial(_check, info.path, cancelled, deadline)
                return self._analyse(source, info, watch, partial(self._tell, source, info), check)
        finally:
            give_back()

    def _open(self, clip: Clip, deadline: Deadline) -> AbstractContextManager[MediaSource]:
        # Asked for by name, since some properties of a source cost reading.
        if hasattr(clip, "video_chunks"):
            return nullcontext(cast(MediaSource, clip))
        return closing(self._pool.open(clip, deadline=deadline))

    def _analyse(
        self,
        source: MediaSource,
        info: MediaInfo,
        watch: Stopwatch,
        tell: Callable[[int, str], None],
        check: Callable[[], None],
    ) -> Analysis:
        chosen, most = (self.options.video_tracks, self.options.audio_tracks), self.options.limits.max_tracks
        scenes, left_out = choose_tracks(info, *chosen, most)
        unjudged = [UnjudgedTrack(one.kind, one.number, NOT_JUDGED[one.why]) for one in left_out]
        tell(0, "read")
        analyses: list[Analysis] = []
        for scene in scenes:
            try:
                analyses += self._analyse_scene(source, info, scene, unjudged, watch, tell, check)
            except MediaTimeoutError as error:
                if not analyses:
                    raise
                analyses = [_cut_off(one, error) for one in analyses]
                unjudged += [UnjudgedTrack(kind, number, NOT_JUDGED["time"]) for kind, number in scene.tracks]
        # Asked once more at the end: only now is it known whether the file stayed the same.
        first, *others = (_with_facts(source, one) for one in analyses)
        return dataclasses.replace(first, seconds=watch.seconds(), others=tuple(others), unjudged=tuple(unjudged))

    def _analyse_scene(
        self,
        source: MediaSource,
        info: MediaInfo,
        scene: Scene,
        unjudged: list[UnjudgedTrack],
        watch: Stopwatch,
        tell: Callable[[int, str], None],
        check: Callable[[], None],
    ) -> Iterator[Analysis]:
        """Yield an analysis for each sound that goes with a picture, whose faces are found once for all of them.

        Sounds that have no part in any are added to ``unjudged``. When the time is over, the analyses are of what was
        measured until then.

        Raises:
            MediaTimeoutError: Nothing was.
        """
        with watch.stage("hear"):
            sounds, silent = hear_sounds(source, scene.audios, check)
        unjudged += silent
        shortest = 1 if info.kind is MediaKind.IMAGE else self.spec.min_frames
        book = TrackBook(self.options.keep_pictures)
        sizes, joints = (self.spec.window_frames, self.spec.hop_frames, shortest), info.joint_slots
        listeners = [
            Listener(sound, WindowCutter(sound.speech, *sizes, joints), HeldScores(self._scorer)) for sound in sounds
        ]
        video, video_slots = scene.video, 0
        tracker: FaceTracker | None = None
        late: MediaTimeoutError | None = None
        try:
            if video is not None:
                is_still = info.kind is MediaKind.IMAGE
                finder = self._finder.checked(check)
                tracker = FaceTracker(finder=finder, joint_slots=joints, is_still=is_still)
                with Behind(MOST_WAITING) as behind:
                    for video_slots in self._score_faces(
                        read_picture(source, video), tracker, listeners, book, behind, watch, check
                    ):
                        tell(video_slots, "picture")
                    with watch.stage("wait"):
                        behind.finish()
            for one in listeners:
                with watch.stage("score"):
                    self._score_sound(one, tell, check)
        except MediaTimeoutError as error:
            if not video_slots and not any(one.scores for one in listeners):
                raise
            late = MediaTimeoutError(error.path, error.text)  # without the traceback, which would keep pictures alive
        for one in listeners:
            one.sound.close()
            speech = one.sound.speech
            slots = max(video_slots, one.stop_slot, 0 if speech is None else len(speech.present))
            with watch.stage("faces"):
                tracks = book.summaries(None if speech is None else speech.loudness)
            yield Analysis(
                path=info.path,
                info=with_only(source.info, video, one.sound.number),
                report=_report(source, video, one, video_slots, late),
                scores=one.scores,
                evidence=aggregate(one.scores, tracks, slots, shortest, joints),
                tracks=tracks,
                slots=slots,
                speech_slots=None if speech is None else int(speech.present.sum()),
                min_slots=shortest,
                model=self.model,
                seconds=watch.seconds(),
                nets=self.nets,
                versions=versions(),
                pictures=book.pictures(),
                faces_left_out=0 if tracker is None else tracker.left_out,
            )

    def _score_faces(
        self,
        chunks: Iterator[VideoFrames],
        tracker: FaceTracker,
        listeners: list[Listener],
        book: TrackBook,
        behind: Behind,
        watch: Stopwatch,
        check: Callable[[], None],
    ) -> Iterator[int]:
        """Have all windows with a face scored but those at the tracks' ends; yield after each chunk where it stops.

        Windows are scored ``behind``, while the next chunk is decoded and searched for faces.
        """
        stop_slot = 0
        for chunk in watch.timed("read", chunks):
            check()
            with watch.stage("faces"):
                found = tracker.push(chunk)
            self._score_crops(found, listeners, book, behind, watch, check)
            stop_slot = chunk.first_slot + len(chunk.frames)
            for one in listeners:
                _score_behind(one, one.cutter.advance(stop_slot - LAG_SLOTS), behind, watch, check)
            yield stop_slot
        if not stop_slot:
            check()  # the source may have given nothing because the time was over
        with watch.stage("faces"):
            found = tracker.flush()
        self._score_crops(found, listeners, book, behind, watch, check)

    def _score_crops(
        self,
        found: Iterable[FaceCrops],
        listeners: list[Listener],
        book: TrackBook,
        behind: Behind,
        watch: Stopwatch,
        check: Callable[[], None],
    ) -> None:
        # Windows of all faces go on together, no more than a device takes at once, since they fill the memory.
        for one, windows in self._cut(found, listeners, book, watch):
            _score_behind(one, windows, behind, watch, check)

    def _cut(
        self, found: Iterable[FaceCrops], listeners: list[Listener], book: TrackBook, watch: Stopwatch
    ) -> Iterator[tuple[Listener, list[Window]]]:
        """Yield the windows that crops complete, for each listener in their order, in lists of about a batch."""
        cut: list[list[Window]] = [[] for _ in listeners]
        for crops in found:
            with watch.stage("faces"):
                book.note(crops)
            for place, one in enumerate(listeners):
                cut[place] += one.cutter.push(crops)
                if len(cut[place]) >= self._scorer.batch_windows:
                    yield one, cut[place]
                    cut[place] = []
        yield from zip(listeners, cut, strict=True)

    def _score_sound(self, one: Listener, tell: Callable[[int, str], None], check: Callable[[], None]) -> None:
        """Score the last windows of every face, and speech without a face."""
        for score in one.scorer.score_stream(_checked(one.cutter.flush(), check)):
            one.scores.extend([score])
            if score.track_id is None:
                tell(score.first_slot + score.slots, "sound")

    def _result(self, clip: Clip, cancelled: Event) -> Result:
        """Return what a batch gives for one clip."""
        name = str(clip) if isinstance(clip, str | Path) else f"<{type(clip).__name__}>"
        try:
            analysis = self._open_and_analyse(clip, cancelled)
            return Result(analysis.path, judge(analysis, self.spec), analysis)
        except MediaError as error:
            # A path stays as it was given; bytes, streams and sources have the name that the reader gave them.
            return Result(name if isinstance(clip, str | Path) else str(error.path), error=error)
        except Exception as error:
            logger.debug("fault while analysing %s", name, exc_info=True)
            text = f"the analysis failed with {type(error).__name__}: {error} (-v shows where)"
            return Result(name, error=AnalysisFailedError(name, text))

    def _tell(self, source: MediaSource, first_info: MediaInfo, stop_slot: int, stage: str) -> None:
        """Let the caller know how far a clip is."""
        if self._progress is not None:
            total_seconds = first_info.duration_seconds or source.info.duration_seconds
            self._progress(Progress(first_info.path, seconds_of(stop_slot), total_seconds, stage))

    def _check_open(self) -> None:
        if self._pid != os.getpid():  # a fork has neither its threads nor its decoding processes
            raise OptionError("the detector was made in another process; make one in this process")
        if not self._end_pool.alive:
            raise OptionError("the detector is closed")


def _score_behind(
    one: Listener, windows: list[Window], behind: Behind, watch: Stopwatch, check: Callable[[], None]
) -> None:
    """Have windows scored while the caller goes on."""

    def score() -> None:
        with watch.stage("score"):
            one.scores.extend(one.scorer.score_stream(_checked(windows, check)))

    if windows:
        with watch.stage("wait"):
            behind.give(score)


def _check(path: str, cancelled: Event, deadline: Deadline) -> None:
    """End the analysis of a clip if nobody waits for it any more, or its time is over."""
    if cancelled.is_set():
        raise CancelledError
    deadline.check(path)


def _checked(windows: Iterable[Window], check: Callable[[], None]) -> Iterator[Window]:
    """Yield windows, with a check before each."""
    for window in windows:
        check()
        yield window


def _with_facts(source: MediaSource, analysis: Analysis) -> Analysis:
    """Return an analysis with what is known of the file in the end."""
    info = analysis.info
    video, audio = (None if one is None else one.number for one in (info.video, info.audio))
    facts, report = dataclasses.replace(info, sha256=source.info.sha256), read_report(source, video, audio)
    if report.outcome is not Outcome.CHANGED:
        report = analysis.report  # which knows what the time sufficed for
    return dataclasses.replace(analysis, info=facts, report=report)


def _cut_off(analysis: Analysis, error: MediaTimeoutError) -> Analysis:
    """Return an analysis of a file whose other tracks are not judged, since the time was over."""
    if analysis.report.outcome is Outcome.TIMEOUT:
        return analysis
    return dataclasses.replace(analysis, report=out_of_time(analysis.report, error, {}, 0.0))


def _report(
    source: MediaSource, video: int | None, one: Listener, video_slots: int, late: MediaTimeoutError | None
) -> ReadReport:
    """Return how well a picture with a sound could be read, and if the time was over, how far both were judged."""
    report = read_report(source, video, one.sound.number)
    if late is None:
        return report
    reached = {} if video is None else {"picture": video_slots}
    if one.sound.speaks:
        reached["sound"] = one.stop_slot
    return out_of_time(report, late, reached, source.info.duration_seconds)
