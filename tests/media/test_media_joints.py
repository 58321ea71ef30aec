# SPDX-License-Identifier: Apache-2.0
"""Streams that begin apart, recordings joined end to end, and jumps of the clock: all of it on one timeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks import odd_clips, odd_media
from benchmarks.media_clips import beep_times, flash_times, run_ffmpeg
from benchmarks.odd_clips import Part, Plan, Stream
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.media.pool import MediaPool
from cad.media.reader import open_media
from cad.media.records import MediaInfo, Outcome, ReadReport
from cad.media.stamps import RateMeter, frames_per_second
from cad.media.survey import Survey
from cad.media.timeline import Restamper, Shift, Timeline

Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2")
#: The middles of flash and beep, and the length, of one clip.
EVENTS, LENGTH_SECONDS = (0.66, 1.46), 2.0


class Read:
    """A file as it lies on the grid."""

    def __init__(self, path: Path) -> None:
        with open_media(path) as reader:
            sound = reader.audio()
            chunks = list(reader.video_chunks())
            self.info: MediaInfo = reader.info
            self.report: ReadReport = reader.report
        self.beeps = [] if sound is None else beep_times(sound.samples)
        self.sound_present = np.zeros(0, np.bool_) if sound is None else sound.present
        stop = max((chunk.first_slot + len(chunk.present) for chunk in chunks), default=0)
        self.present: NDArray[np.bool_] = np.zeros(stop, np.bool_)
        self.flashes: list[float] = []
        if chunks:
            frames = np.zeros((stop, *chunks[0].frames.shape[1:]), np.uint8)
            for chunk in chunks:
                inside = slice(chunk.first_slot, chunk.first_slot + len(chunk.present))
                frames[inside], self.present[inside] = chunk.frames, chunk.present
            self.flashes = flash_times(frames, self.present)

    @property
    def joints(self) -> list[float]:
        return [slot / FRAME_RATE_HZ for slot in self.info.joint_slots]


def assert_whole(read: Read) -> None:
    assert read.report.coverage == 1.0, read.report
    assert read.report.outcome is Outcome.OK and read.report.bad_packets == 0, read.report


def joined(target: Path, *parts: Path) -> Path:
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
def test_a_picture_long_before_the_sound_is_on_the_grid(
    sources: tuple[Path, Path], tmp_path: Path, container: str
) -> None:
    path = tmp_path / f"picture-first.{container}"
    run_ffmpeg("-i", sources[0], "-itsoffset", "3.3", "-i", sources[1], *H264, "-c:a", "aac", path)
    read = Read(path)
    assert_whole(read)
    assert read.flashes == pytest.approx(EVENTS, abs=0.021)
    assert read.beeps == pytest.approx([3.3 + at for at in EVENTS], abs=0.025)
    assert read.present[:50].all() and len(read.present) == 50
    assert not read.sound_present[:81].any() and read.sound_present[84:130].all()
    assert read.report.picture_seconds == pytest.approx(2.0, abs=0.05)
    assert read.report.sound_seconds == pytest.approx(2.0, abs=0.08)


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
def test_sound_long_before_the_picture_is_on_the_grid(
    sources: tuple[Path, Path], tmp_path: Path, container: str
) -> None:
    path = tmp_path / f"sound-first.{container}"
    shifted = ("-itsoffset", "3.3", "-i", sources[0])
    run_ffmpeg(*shifted, "-i", sources[1], "-vsync", "passthrough", *H264, "-c:a", "aac", path)
    read = Read(path)
    assert_whole(read)
    assert read.beeps[0] == pytest.approx(EVENTS[0], abs=0.06)
    assert read.flashes[0] - read.beeps[0] == pytest.approx(3.3, abs=0.025)
    assert not read.present[:80].any() and read.present[84:].sum() >= 48
    assert read.sound_present[:48].all()


def test_times_are_told_in_the_files_own_time(make_clip: Make, tmp_path: Path) -> None:
    path = tmp_path / "later.ts"
    run_ffmpeg("-i", make_clip("plain.mp4", *H264, "-c:a", "aac"), "-c", "copy", "-output_ts_offset", "600", path)
    read = Read(path)
    assert 600 < read.info.origin_seconds < 603
    assert read.flashes == pytest.approx(EVENTS, abs=0.021)


@pytest.mark.parametrize("count", [2, 3])
def test_joined_transport_streams_follow_one_another(make_clip: Make, tmp_path: Path, count: int) -> None:
    part = make_clip("part.ts", *H264, "-c:a", "aac")
    read = Read(joined(tmp_path / "joined.ts", *[part] * count))
    assert_whole(read)
    assert len(read.joints) == count - 1
    assert len(read.flashes) == len(read.beeps) == 2 * count
    assert np.abs(np.array(read.flashes) - np.array(read.beeps)).max() <= 0.03, "lips and sound keep their relation"
    starts = [0.0, *read.joints]
    for index, start in enumerate(starts):
        assert read.flashes[2 * index] - start == pytest.approx(EVENTS[0], abs=0.09)
        assert start == pytest.approx(index * LENGTH_SECONDS, abs=0.15 * index)
    assert "time stamps jump at 2." in read.report.text


def test_parts_follow_the_longer_of_their_streams(make_clip: Make, sources: tuple[Path, Path], tmp_path: Path) -> None:
    short = tmp_path / "short-sound.ts"
    run_ffmpeg("-i", sources[0], "-t", "1.0", "-i", sources[1], *H264, "-c:a", "mp2", short)
    read = Read(joined(tmp_path / "joined.ts", short, make_clip("mp2.ts", *H264, "-c:a", "mp2")))
    assert_whole(read)
    assert len(read.joints) == 1 and read.joints[0] == pytest.approx(2.0, abs=0.1)
    assert len(read.flashes) == 4 and len(read.beeps) == 3
    assert np.abs(np.array(read.flashes)[[0, 2, 3]] - np.array(read.beeps)).max() <= 0.03


def test_sound_that_only_a_later_part_has_goes_with_its_picture(make_clip: Make, tmp_path: Path) -> None:
    silent = make_clip("silent-part.ts", *H264, sound=False)
    read = Read(joined(tmp_path / "joined.ts", silent, make_clip("part.ts", *H264, "-c:a", "aac")))
    assert_whole(read)
    assert len(read.joints) == 1 and len(read.flashes) == 4
    assert read.beeps == pytest.approx(read.flashes[2:], abs=0.03)
    assert not read.sound_present[:45].any()


def test_sound_that_begins_late_in_a_later_part_stays_in_it(
    make_clip: Make, sources: tuple[Path, Path], tmp_path: Path
) -> None:
    """Its stamps go on where they ended in the part before, so that they alone show no jump."""
    long = tmp_path / "long.ts"
    run_ffmpeg("-stream_loop", "3", "-i", sources[0], "-t", "2", "-i", sources[1], *H264, "-c:a", "mp2", long)
    late = tmp_path / "late.ts"
    run_ffmpeg(
        *("-stream_loop", "3", "-i", sources[0], "-itsoffset", "4.5", "-i", sources[1], *H264, "-c:a", "mp2", late)
    )
    read = Read(joined(tmp_path / "joined.ts", long, late))
    assert_whole(read)
    assert len(read.joints) == 1 and read.joints[0] == pytest.approx(8.0, abs=0.15)
    assert read.beeps[2] - read.joints[0] == pytest.approx(4.5 + EVENTS[0], abs=0.1)


@pytest.mark.parametrize("order", ["forward", "back"])
def test_a_jump_of_an_hour_is_a_joint(make_clip: Make, tmp_path: Path, order: str) -> None:
    part, later = make_clip("part.ts", *H264, "-c:a", "aac"), tmp_path / "later.ts"
    run_ffmpeg("-i", part, "-c", "copy", "-output_ts_offset", "3600", later)
    read = Read(joined(tmp_path / "hour.ts", *((part, later) if order == "forward" else (later, part))))
    assert_whole(read)
    assert len(read.joints) == 1 and read.joints[0] == pytest.approx(2.0, abs=0.15)
    assert read.info.duration_seconds < 4.5
    assert len(read.flashes) == len(read.beeps) == 4
    stored = read.info.joint_seconds[0]
    assert 3600 < stored < 3604 if order == "forward" else stored < 4, "the file's own time is known"


@pytest.mark.parametrize("container", ["mpg", "flv", "mkv"])
def test_other_containers_that_go_back(make_clip: Make, tmp_path: Path, container: str) -> None:
    codecs = ("-c:v", "mpeg2video", "-b:v", "800k", "-c:a", "mp2") if container == "mpg" else (*H264, "-c:a", "aac")
    part = make_clip(f"part.{container}", *codecs)
    path = tmp_path / f"joined.{container}"
    data = part.read_bytes()
    path.write_bytes(data + (data[13:] if container == "flv" else data))  # a second FLV header would end the file
    read = Read(path)
    assert_whole(read)
    assert len(read.joints) == 1 and len(read.flashes) == len(read.beeps) == 4
    assert np.abs(np.array(read.flashes) - np.array(read.beeps)).max() <= 0.03


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "webm"])
def test_a_gap_of_one_stream_is_no_joint(make_clip: Make, container: str) -> None:
    codecs = ("-c:v", "libvpx", "-c:a", "libopus") if container == "webm" else (*H264, "-c:a", "aac")
    gap = ("-stream_loop", "9"), ("-af", "aselect='not(between(t\\,2\\,15))'")
    read = Read(make_clip(f"gap.{container}", *codecs, *gap[1], "-shortest", before=gap[0]))
    assert read.report.coverage == 1.0, read.report
    assert read.joints == []


def test_what_both_streams_leave_out_for_long_is_a_joint(make_clip: Make) -> None:
    left_out = "not(between(t\\,4\\,16))"
    read = Read(
        make_clip(
            "pause.mkv",
            *("-filter_complex", f"[0:v]loop=9:50,select='{left_out}'[v];[1:a]aloop=9:96000,aselect='{left_out}'[a]"),
            *("-map", "[v]", "-map", "[a]", "-vsync", "vfr", *H264, "-c:a", "pcm_s16le"),
        )
    )
    assert read.report.coverage == 1.0, read.report
    assert len(read.joints) == 1 and read.joints[0] == pytest.approx(4.0, abs=0.2)
    assert read.info.joint_seconds[0] == pytest.approx(16.0, abs=0.2)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_pictures_that_stand_are_no_joints(ffmpeg: None, tmp_path: Path, container: str) -> None:
    path = tmp_path / f"slides.{container}"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=1/30:d=600")
    run_ffmpeg(*picture, "-f", "lavfi", "-i", "sine=500:r=16000:d=600", *H264, "-c:a", "aac", path)
    read = Read(path)
    assert_whole(read)
    assert read.joints == [] and read.report.decoded_frames == 20
    assert read.report.picture_seconds < 6 and read.report.sound_seconds == pytest.approx(600, abs=0.1)
    assert read.info.duration_seconds == pytest.approx(600, abs=1)


def wrongly_read(plan: Plan, path: Path) -> list[str]:
    """Return what is wrong about the reading of a file made from a plan."""
    odd_clips.write(plan, path)
    with MediaPool(idle=1) as pool:
        return odd_media.check(pool, plan, path)


@pytest.mark.parametrize("jitter", [0.0, 0.25])
@pytest.mark.parametrize(("codec", "fps"), [("mpeg4", 10.0), ("mpeg4", 12.5), ("libx264", 10.0)])
def test_a_slow_rate_that_nothing_states_is_measured(tmp_path: Path, codec: str, fps: float, jitter: float) -> None:
    """FFmpeg takes the clock of the codec (1000 Hz) for its rate where a part is short or uneven."""
    parts = (Part(0.0, 2.0), Part(0.0, 2.4, gap=(0.8, 1.2)))
    streams = (Stream("video", 1, codec, parts, fps, jitter), Stream("audio", 1, "aac", parts))
    path = tmp_path / "slow.ts"
    assert wrongly_read(Plan(".ts", streams, base=10.0, lengths=(2.0, 2.4)), path) == []
    with open_media(path) as reader:
        assert reader.info.video is not None and reader.info.video.fps == pytest.approx(fps, rel=0.01)
        shown = sum(int(chunk.present.sum()) for chunk in reader.video_chunks())
        assert shown >= (90 if jitter == 0 else 70), "a picture stands until the next one"


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_a_stream_that_begins_where_it_ended_before_belongs_to_the_part_it_lies_in(tmp_path: Path, codec: str) -> None:
    """Its stamps alone go on; the others have jumped back in front of it."""
    video = (Part(0.0, 1.64), Part(0.0, 1.64), Part(0.0, 2.28))
    sound = (Part(0.0, 1.64), Part(1.2, 2.24), Part(1.2, 3.48))
    late = (Part(1.2, 3.2, gap=(1.68, 2.2)), Part(3.32, 6.32), Part(0.0, 2.0))
    streams = (Stream("video", 1, codec, video), Stream("video", 2, codec, late), Stream("audio", 1, "ac3", sound))
    assert wrongly_read(Plan(".ts", streams, lengths=(3.2, 6.32, 3.48)), tmp_path / "late.ts") == []


def test_a_picture_that_goes_back_by_a_second_or_less_is_not_damaged(tmp_path: Path) -> None:
    video = (Part(0.0, 2.0), Part(1.2, 3.2), Part(2.4, 4.4))
    sound = (Part(0.0, 2.0), Part(0.0, 3.2), Part(0.0, 4.4))
    streams = (Stream("video", 1, "libx264", video), Stream("audio", 1, "aac", sound))
    assert wrongly_read(Plan(".ts", streams, lengths=(2.0, 3.2, 4.4)), tmp_path / "second.ts") == []


def test_a_short_part_that_begins_with_the_stamp_of_the_next_one_keeps_its_place(tmp_path: Path) -> None:
    video = (Part(0.0, 1.6), Part(0.0, 0.6), Part(0.0, 1.6))
    sound = (Part(0.0, 1.6), Part(0.0, 1.6), Part(0.0, 1.6))
    streams = (Stream("video", 1, "libx264", video, 10.0), Stream("audio", 1, "aac", sound))
    assert wrongly_read(Plan(".ts", streams, base=1.4, lengths=(1.6, 1.6, 1.6)), tmp_path / "short.ts") == []


class _Packet:
    """What a survey looks at."""

    is_discard = False

    def __init__(self, index: int, seconds: float, pos: int) -> None:
        self.stream_index, self.pts, self.dts, self.pos = index, round(seconds * 1000), round(seconds * 1000), pos
        self.time_base, self.duration = 0.001, 40


class _Stream:
    def __init__(self, index: int) -> None:
        self.index, self.type = index, "video"
        self.average_rate, self.codec_context, self.guessed_rate = 25, None, None


def survey_of(*seconds: float) -> Timeline:
    survey = Survey([_Stream(0)])
    for number, at in enumerate(seconds):
        survey.push(_Packet(0, at, number))
    survey.finish({})
    return survey.timeline()


def test_one_damaged_stamp_is_no_joint() -> None:
    for damaged in (90.0, -50.0):
        timeline = survey_of(0.0, 0.04, damaged, 0.12, 0.16)
        assert timeline.joint_slots == () and timeline.damaged == {0: frozenset({2})}
    assert survey_of(90.0, 0.04, 0.08, 0.12).damaged == {0: frozenset({0})}
    assert survey_of(0.0, 0.04, 0.08, 90.0).damaged == {0: frozenset({3})}


def test_a_jump_that_lasts_is_a_joint() -> None:
    assert survey_of(5.0, 5.04, 5.08, 0.0, 0.04).joint_slots == (3,)
    assert survey_of(0.0, 0.04, 90.0, 90.04).joint_slots == (2,)
    assert survey_of(0.0, 30.0, 60.0, 90.0).joint_slots == (1, 2, 3)


def pieces_of(*packets: tuple[int, float, int]) -> dict[int, list[tuple[int, int]]]:
    """Return by stream the part and first packet of every piece, of packets (stream, seconds, place in the file)."""
    survey = Survey([_Stream(0), _Stream(1)], in_parts=True)
    for index, seconds, place in packets:
        survey.push(_Packet(index, seconds, place))
    survey.finish({})
    found = {stream.index: stream for stream in survey.streams.values()}
    assert not any(stream.damaged for stream in found.values())
    return {index: [(piece.part, piece.first_packet) for piece in one.pieces] for index, one in found.items()}


def test_what_was_read_before_a_jump_is_certain_is_moved_to_its_part() -> None:
    first = [(0, 0.0, 0), (1, 0.0, 1), (0, 0.04, 2), (0, 0.08, 3), (1, 0.04, 4), (0, 1.0, 5)]
    second = [(0, 0.0, 10), (1, 0.08, 11), (1, 0.12, 12), (0, 0.04, 13), (1, 0.16, 14)]
    assert pieces_of(*first, *second) == {0: [(0, 0), (1, 4)], 1: [(0, 0), (1, 2)]}


def test_a_packet_that_was_held_back_stays_in_the_part_it_lies_in() -> None:
    first = [(0, 0.0, 0), (1, 0.0, 1), (0, 0.04, 2), (0, 1.0, 5)]
    second = [(0, 0.0, 10), (0, 0.04, 11), (1, 0.04, 4), (1, 0.08, 12)]
    assert pieces_of(*first, *second) == {0: [(0, 0), (1, 3)], 1: [(0, 0), (1, 2)]}


def test_the_end_of_a_sound_behind_the_jump_of_its_picture_stays_with_it() -> None:
    """A recorder whose clock was set back writes on what it still holds of the time before."""
    first = [(0, 5.0, 0), (1, 5.0, 1), (0, 5.04, 2), (1, 5.04, 3), (0, 5.08, 4)]
    second = [(0, 0.0, 10), (0, 0.04, 11), (1, 5.08, 12), (1, 5.12, 13), (0, 0.08, 14), (1, 0.0, 15), (1, 0.04, 16)]
    found = pieces_of(*first, *second)
    assert found[0] == [(0, 0), (1, 3)]
    assert found[1] == [(0, 0), (0, 2), (1, 4)]


def test_a_step_back_that_the_next_packet_confirms_is_a_joint() -> None:
    timeline = survey_of(*(at / 10 for at in range(10)), *(0.3 + at / 10 for at in range(10)))
    assert len(timeline.joint_slots) == 1 and not timeline.damaged


def test_a_shift_does_not_begin_before_its_own_part() -> None:
    shifts = (Shift(4, 1000, 1.0, True), Shift(8, 1000, 2.0, True))
    restamper = Restamper(Timeline({0: shifts}), 0)
    told = []
    for stamp in (1.0, 1.1, 1.2, 1.3) * 3:
        packet = _Packet(0, stamp, 0)
        restamper.restamp(packet)
        told.append(packet.pts / 1000 - stamp)
    assert told == pytest.approx([0.0] * 4 + [1.0] * 4 + [2.0] * 4)


def rate_of(*seconds: float) -> float:
    meter = RateMeter()
    for at in seconds:
        meter.push(at)
    return meter.rate_hz()


def test_a_rate_is_measured_whatever_is_left_out_joined_or_out_of_order() -> None:
    even = [number / 12.5 for number in range(100)]
    assert rate_of(*even) == pytest.approx(12.5)
    assert rate_of(*[at for number, at in enumerate(even) if number % 4]) == pytest.approx(12.5)
    assert rate_of(*even[:30], *even[60:], *even) == pytest.approx(12.5)
    reordered = [even[at] for first in range(0, 96, 4) for at in (first, first + 3, first + 1, first + 2)]
    assert rate_of(*reordered) == pytest.approx(12.5)
    assert rate_of(*[round(number / 29.97, 3) for number in range(100)]) == pytest.approx(29.97, rel=0.002)
    assert rate_of(*[20.0 * number for number in range(50)]) == 0.0, "slides have no rate"
    assert rate_of(0.0, 0.1) == rate_of() == 0.0


def test_a_rate_that_is_stated_is_not_measured() -> None:
    stream = _Stream(0)
    assert frames_per_second(stream, 10.0) == 25.0
    stream.average_rate, stream.codec_context = None, _Codec()
    for measured, expected in ((10.0, 10.0), (24.9, 25.0), (50.0, 25.0), (0.0, 25.0), (60.0, 60.0)):
        assert frames_per_second(stream, measured) == expected, "pairs of fields have twice as many packets"


class _Codec:
    framerate = 25
