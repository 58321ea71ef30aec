# SPDX-License-Identifier: Apache-2.0
"""The clock: edit lists, offsets, reordering, odd and variable rates, streams that begin late or end early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks.media_clips import EVENT_SECONDS, beep_times, flash_times, is_event, run_ffmpeg, write_sources
from numpy.typing import NDArray

from cad.media.grid import FramePlacer, StampFilter, reach_seconds
from cad.media.reader import MediaReader, open_media
from cad.media.records import AudioSamples, MediaInfo, Outcome, ReadReport

Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2")


def read(
    path: Path,
) -> tuple[MediaInfo, ReadReport, AudioSamples | None, NDArray[np.uint8], NDArray[np.bool_]]:
    with open_media(path) as reader:
        return collect(reader)


def collect(
    reader: MediaReader,
) -> tuple[MediaInfo, ReadReport, AudioSamples | None, NDArray[np.uint8], NDArray[np.bool_]]:
    sound = reader.audio()
    chunks = list(reader.video_chunks())
    slot = 0
    for chunk in chunks:
        assert chunk.first_slot == slot, "chunks must come in order, each slot once"
        slot += len(chunk.present)
        assert not chunk.frames[~chunk.present].any(), "missing slots are zeros"
    frames = np.concatenate([chunk.frames for chunk in chunks])
    return reader.info, reader.report, sound, frames, np.concatenate([chunk.present for chunk in chunks])


def assert_in_sync(path: Path, events: int = len(EVENT_SECONDS)) -> MediaInfo:
    info, report, sound, frames, present = read(path)
    assert sound is not None
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert len(flashes) == len(beeps) == events, (flashes, beeps)
    assert np.abs(np.array(flashes) - np.array(beeps)).max() <= 0.020
    assert report.outcome is Outcome.OK, report
    assert report.coverage == 1.0
    return info


def test_an_edit_list_cuts_picture_and_sound_alike(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("edit-source.mp4", *H264, "-c:a", "aac", "-g", "50")
    trimmed = tmp_path / "trimmed.mp4"
    run_ffmpeg("-ss", "0.44", "-i", whole, "-c", "copy", trimmed)
    with av.open(str(trimmed)) as container:
        packets = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert min(packets) < 0, "the file must really have an edit list that hides its first frames"
    info, report, sound, frames, present = read(trimmed)
    assert report.coverage == 1.0 and report.outcome is Outcome.OK
    assert report.decoded_frames == 39
    assert sound is not None
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert flashes == pytest.approx([0.6 - 0.44 + 0.06, 1.4 - 0.44 + 0.06], abs=0.021)
    assert flashes == pytest.approx(beeps, abs=0.020)
    assert info.duration_seconds == pytest.approx(1.56, abs=0.05)


def test_transport_stream_offsets_are_no_desync(make_clip: Make) -> None:
    info = assert_in_sync(make_clip("offset.ts", *H264, "-c:a", "mp2", "-muxdelay", "0.7"))
    assert info.video is not None and info.audio is not None
    first = min(info.video.start_seconds, info.audio.start_seconds)
    assert 1.0 < first <= info.origin_seconds < first + 0.04


def test_open_groups_of_pictures(make_clip: Make) -> None:
    assert_in_sync(make_clip("open-gop.mkv", *H264, "-x264-params", "open-gop=1:keyint=12", "-c:a", "libopus"))


def test_a_stream_cut_inside_an_open_group_starts_where_it_decodes(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("cut-gop.ts", "-c:v", "mpeg2video", "-b:v", "800k", "-bf", "2", "-c:a", "mp2")
    data = whole.read_bytes()
    cut = tmp_path / "cut.ts"
    start = len(data) // 188 // 4 * 188
    cut.write_bytes(data[start:])
    info, _, sound, frames, present = read(cut)
    assert sound is not None
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert abs(flashes[-1] - beeps[-1]) <= 0.020
    assert sound.present[0], "the sound decodes at once"
    assert not present[0], "the picture only from its first key frame"
    assert info.origin_seconds > 1.5


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "50", "60", "15"])
@pytest.mark.parametrize("name", ["rate.mp4", "rate.mkv"])
def test_source_rates(make_clip: Make, rate: str, name: str) -> None:
    path = make_clip(name, *H264, "-r", rate, "-c:a", "aac", "-vf", f"fps={rate}")
    info, report, sound, frames, present = read(path)
    assert sound is not None and info.video is not None
    top, _, bottom = rate.partition("/")
    assert info.video.fps == pytest.approx(int(top) / int(bottom or 1), rel=0.01)
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    # Conversion of the rate moves the flash by up to half a source frame on either side, and the grid by half a slot.
    allowed = 0.020 + 0.5 / info.video.fps
    assert np.abs(np.array(flashes) - np.array(beeps)).max() <= allowed, (flashes, beeps)
    assert present[:48].all(), "no slot of a steady source is missing"
    assert report.outcome is Outcome.OK and report.coverage == 1.0


def test_variable_frame_rate_is_placed_by_stamp(make_clip: Make) -> None:
    # Every third frame is dropped and 0.8 .. 1.2 s stands still: steps of 40, 80 and 400 ms.
    path = make_clip(
        "vfr.mp4", *H264, "-vf", "select='mod(n+1\\,3)*not(between(t\\,0.81\\,1.19))'", "-vsync", "vfr", "-c:a", "aac"
    )
    _, report, sound, frames, present = read(path)
    assert sound is not None
    bright = frames.mean(axis=(1, 2, 3)) > 140
    shown = np.flatnonzero(present)
    assert (bright[shown] == is_event(shown / 25)).all(), "each picture stands at its own time"
    assert beep_times(sound.samples) == pytest.approx([0.66, 1.46], abs=0.01)
    assert not present[22:29].any(), "a gap in the source is a gap on the grid"
    assert present[:5].tolist() == [True, True, False, True, True]
    assert report.outcome is Outcome.OK, "a variable rate is no damage"


def test_sound_that_starts_late_leaves_the_origin_with_the_picture(sources: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    run_ffmpeg("-i", sources[0], "-itsoffset", "0.4", "-i", sources[1], *H264, "-c:a", "pcm_s16le", path)
    info, _, sound, frames, present = read(path)
    assert info.origin_seconds == pytest.approx(0.0, abs=0.002)
    assert sound is not None and sound.present.tolist().index(True) == 10
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert flashes[0] == pytest.approx(0.6 + 0.06, abs=0.021)
    # The sound really is 0.4 s late here, and that is what must be seen.
    assert beeps[0] - flashes[0] == pytest.approx(0.4, abs=0.021)


def test_sound_that_ends_early_and_sound_that_goes_on(sources: tuple[Path, Path], tmp_path: Path) -> None:
    short, long = tmp_path / "short.mp4", tmp_path / "long.mp4"
    run_ffmpeg("-i", sources[0], "-t", "1.0", "-i", sources[1], *H264, "-c:a", "aac", short)
    run_ffmpeg("-t", "0.68", "-i", sources[0], "-i", sources[1], *H264, "-c:a", "aac", long)
    _, report, sound, frames, present = read(short)
    assert sound is not None and len(frames) == 50 and present.all()
    assert 25 <= len(sound.present) <= 26 and report.outcome is Outcome.OK
    _, report, sound, frames, _ = read(long)
    assert sound is not None and len(frames) == 17 and len(sound.present) in (50, 51)
    assert report.outcome is Outcome.OK


@pytest.mark.parametrize("name", ["brief-sound.mkv", "brief-sound.flv"])
def test_sound_that_ends_early_is_no_damage_where_lengths_are_not_told_apart(
    sources: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    run_ffmpeg("-i", sources[0], "-t", "1.0", "-i", sources[1], *H264, "-c:a", "aac", path)
    _, report, sound, frames, _ = read(path)
    assert sound is not None and len(frames) == 50 and len(sound.present) < 30
    assert report.outcome is Outcome.OK and report.coverage == 1.0, report


def test_negative_time_stamps(sources: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "negative.mkv"
    run_ffmpeg(
        *("-i", sources[0], "-i", sources[1], *H264, "-c:a", "pcm_s16le", "-output_ts_offset", "-0.52"),
        *("-avoid_negative_ts", "disabled", path),
    )
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
        assert min(stamps) < 0, "the stamps must really be negative"
    _, _, sound, frames, present = read(path)
    assert sound is not None
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert flashes[-1] == pytest.approx(beeps[-1], abs=0.020)


def test_a_hole_in_the_sound_is_a_hole_on_the_grid(make_clip: Make) -> None:
    path = make_clip("hole.mkv", *H264, "-af", "aselect='not(between(t\\,0.9\\,1.2))'", "-c:a", "pcm_s16le")
    _, _, sound, _, _ = read(path)
    assert sound is not None
    missing = np.flatnonzero(~sound.present)
    assert 6 <= len(missing) <= 8 and missing.min() >= 22 and missing.max() <= 30
    assert not sound.samples.reshape(-1, 640)[missing].any()
    assert beep_times(sound.samples)[1] == pytest.approx(1.4 + 0.08 - 0.02, abs=0.02)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_sound_keeps_time_and_level_through_resampling(ffmpeg: None, tmp_path: Path, rate: int) -> None:
    _, wave = write_sources(tmp_path, rate_hz=rate)
    stereo = tmp_path / "stereo.wav"
    run_ffmpeg("-i", wave, "-af", "pan=stereo|c0=c0|c1=c0", stereo)
    with open_media(stereo) as reader:
        sound = reader.audio()
        assert list(reader.video_chunks()) == []
    assert sound is not None and sound.present.all() and len(sound.present) == 50
    assert beep_times(sound.samples) == pytest.approx([start + 0.06 for start in EVENT_SECONDS], abs=0.004)
    inside = sound.samples[round(0.64 * 16_000) : round(0.72 * 16_000)]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


def test_five_channels_keep_the_level_of_the_voice_bounded(ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "surround.wav"
    run_ffmpeg("-f", "lavfi", "-i", "sine=500:r=48000:d=1,pan=5.1|c0=8*c0|c1=8*c0|c2=8*c0|c4=8*c0|c5=8*c0", path)
    with open_media(path) as reader:
        sound = reader.audio()
    assert sound is not None and np.abs(sound.samples).max() == pytest.approx(1.0, abs=0.05)


def test_reach_is_half_a_period_or_half_a_slot_and_bounded() -> None:
    assert reach_seconds(25) == pytest.approx(0.021)
    assert reach_seconds(60) == pytest.approx(0.021)
    assert reach_seconds(12.5) == pytest.approx(0.041)
    assert reach_seconds(0.01) == pytest.approx(0.101)


def test_each_slot_gets_its_nearest_frame(rng: np.random.Generator) -> None:
    times = np.cumsum(rng.uniform(0.005, 0.15, 200)) - 0.3
    placer = FramePlacer(reach_seconds(25))
    placed: dict[int, float] = {}
    previous = None
    for seconds in [*times, None]:
        placement = placer.end() if seconds is None else placer.next_frame(seconds)
        if placement is not None:
            first = placement.first_slot + placement.missing
            placed |= dict.fromkeys(range(first, first + placement.count), previous)
        previous = seconds
    for slot in range(placer.next_slot):
        distances = np.abs(times - slot / 25)
        if distances.min() <= 0.021:
            assert placed[slot] == pytest.approx(times[distances.argmin()], abs=1e-5)
        else:
            assert slot not in placed


def test_a_leaping_stamp_is_dropped_and_a_leap_that_lasts_is_kept() -> None:
    filtered = StampFilter()
    assert [s for s, _ in filtered([(0.0, 0), (0.04, 1), (90.0, 2), (0.08, 3)])] == [0.0, 0.04, 0.08]
    assert filtered.dropped == 1
    assert [s for s, _ in StampFilter()([(0.0, 0), (90.0, 1), (90.04, 2)])] == [0.0, 90.0, 90.04]
