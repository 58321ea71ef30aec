# SPDX-License-Identifier: Apache-2.0
"""ArraySource gives what MediaReader gives of the file that its arrays were decoded from, and says what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cad.errors import MediaLimitError, MediaUnreadableError, OptionError
from cad.media.arrays import ArraySource
from cad.media.limits import MediaLimits
from cad.media.reader import open_media
from cad.media.records import AudioSamples, MediaKind, Outcome
from cad.media.resample import resample
from cad.media.source import MediaSource

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2")
CLIPS: dict[str, tuple[str, ...]] = {
    "constant.mp4": (*H264, "-c:a", "aac"),
    "thirty.mp4": (*H264, "-r", "30", "-c:a", "aac", "-ar", "44100"),
    "variable.mp4": (*H264, "-vf", "select='not(mod(n,7))+not(mod(n,3))'", "-fps_mode", "vfr", "-c:a", "aac"),
    "variable.mkv": (*H264, "-vf", "select='not(mod(n,7))+not(mod(n,3))'", "-fps_mode", "vfr", "-c:a", "flac"),
    "late-sound.mkv": (*H264, "-af", "asetpts=PTS+0.53/TB", "-c:a", "pcm_s16le"),
    "late-picture.mkv": (*H264, "-vf", "setpts=PTS+0.31/TB", "-c:a", "flac", "-ac", "2", "-ar", "22050"),
    "silent.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-an"),
    "sound.flac": ("-vn", "-c:a", "flac", "-ar", "32000"),
}


def decode(path: Path, with_fps: bool) -> dict[str, Any]:
    """Decode a clip as a product with a decoder of its own would, and return ArraySource's arguments."""
    given: dict[str, Any] = {}
    with av.open(str(path)) as container:
        if container.streams.video:
            frames = list(container.decode(video=0))
            given["frames"] = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
            given["frame_seconds"] = [frame.time for frame in frames]
            if with_fps:
                given["fps"] = float(container.streams.video[0].average_rate or 25)
    with av.open(str(path)) as container:
        if container.streams.audio:
            to_float = av.AudioResampler(format="fltp")
            sounds = [part for frame in container.decode(audio=0) for part in to_float.resample(frame)]
            given["samples"] = np.concatenate([sound.to_ndarray() for sound in sounds], axis=1).T
            given["sample_rate_hz"] = sounds[0].sample_rate
            given["audio_start_seconds"] = sounds[0].time
    return given


def read(source: MediaSource) -> tuple[AudioSamples | None, NDArray[np.uint8], NDArray[np.bool_]]:
    sound = source.audio()
    chunks = list(source.video_chunks())
    assert [chunk.first_slot for chunk in chunks] == [25 * index for index in range(len(chunks))]
    if not chunks:
        return sound, np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.bool_)
    return sound, np.concatenate([c.frames for c in chunks]), np.concatenate([c.present for c in chunks])


def assert_same(path: Path, source: MediaSource) -> None:
    with open_media(path) as reader:
        sound, frames, present = read(reader)
    own_sound, own_frames, own_present = read(source)
    assert (own_present == present).all() and own_present.any() == present.any()
    assert (own_frames == frames).all()
    assert (own_sound is None) == (sound is None)
    if sound is not None and own_sound is not None:
        assert (own_sound.present == sound.present).all()
        np.testing.assert_allclose(own_sound.samples, sound.samples, rtol=0, atol=2e-6)
    info, own_info = reader.info, source.info
    assert own_info.kind is info.kind
    assert own_info.origin_seconds == pytest.approx(info.origin_seconds, abs=1e-6)
    assert own_info.duration_seconds == pytest.approx(info.duration_seconds, abs=0.06)
    seconds = reader.report.decoded_audio_seconds
    assert source.report.decoded_audio_seconds == pytest.approx(seconds)
    assert replace(source.report, decoded_audio_seconds=seconds) == reader.report
    assert source.report.outcome in (Outcome.OK, Outcome.NO_AUDIO, Outcome.NO_VIDEO)


@pytest.mark.parametrize("name", CLIPS)
def test_arrays_give_what_the_file_gives(make_clip: Callable[..., Path], name: str) -> None:
    path = make_clip(name, *CLIPS[name])
    # Matroska declares a rate that frames left out do not change.
    assert_same(path, ArraySource(**decode(path, with_fps=name == "variable.mkv")))


@pytest.mark.parametrize("chunked", [False, True])
def test_an_iterable_gives_what_the_file_gives(make_clip: Callable[..., Path], chunked: bool) -> None:
    path = make_clip("variable.mkv", *CLIPS["variable.mkv"])
    given = decode(path, with_fps=True)
    frames, seconds = given.pop("frames"), np.array(given.pop("frame_seconds"))
    pairs: Iterator[Any] = zip(seconds, frames, strict=True)
    if chunked:
        pairs = ((seconds[at : at + 9], frames[at : at + 9]) for at in range(0, len(frames), 9))
    assert_same(path, ArraySource(pairs, **given))


def test_an_iterable_is_read_no_further_than_needed() -> None:
    taken = []

    def frames() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        for index in range(1000):
            taken.append(index)
            yield index / 25, np.full((8, 8, 3), index % 251, np.uint8)

    with ArraySource(frames()) as source:
        assert len(taken) == 25
        chunks = source.video_chunks()
        assert next(chunks).frames[7, 0, 0, 0] == 7
        assert len(taken) <= 27
        assert source.info.duration_seconds < 2
        assert sum(len(chunk.present) for chunk in chunks) == 975
    assert source.info.duration_seconds == pytest.approx(40.0)
    assert source.report.coverage == 1.0 and source.report.decoded_frames == 1000


def test_one_frame_is_a_still_picture() -> None:
    picture = np.full((1, 6, 4, 3), 9, np.uint8)
    for given in ((picture,), ([picture[0]], [3.0]), (iter([(5.0, picture[0])]),)):
        with ArraySource(*given) as source:
            assert source.info.kind is MediaKind.IMAGE and source.info.duration_seconds == 0.0
            (chunk,) = source.video_chunks()
        assert chunk.frames.shape == (1, 6, 4, 3) and chunk.present.all() and (chunk.frames == 9).all()
        assert source.report.coverage == 1.0


def test_one_frame_with_sound_is_a_video() -> None:
    source = ArraySource(np.zeros((1, 6, 4, 3), np.uint8), samples=np.zeros(16_000, np.float32), sample_rate_hz=16_000)
    assert source.info.kind is MediaKind.VIDEO
    assert source.info.sha256 == "" and source.info.path == "<array>"


def test_frames_are_not_copied_ahead() -> None:
    frames = np.zeros((100, 8, 8, 3), np.uint8)
    with ArraySource(frames, np.arange(100) / 25) as source:
        chunks = source.video_chunks()
        next(chunks)
        frames[60:] = 7
        assert next(chunks).frames.max() == 0 and next(chunks).frames.max() == 7


def test_of_frames_with_equal_time_stamps_the_first_is_shown_and_no_time_is_lost() -> None:
    with ArraySource(np.zeros((3, 8, 8, 3), np.uint8), [0.0, 0.04, 0.04]) as source:
        assert sum(len(chunk.present) for chunk in source.video_chunks()) == 2
        assert source.report.outcome is Outcome.NO_AUDIO and source.report.bad_packets == 0


FRAMES = np.zeros((3, 8, 8, 3), np.uint8)
SECONDS = [0.0, 0.04, 0.08]
SOUND = np.zeros(800, np.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "neither was given"),
        ({"samples": SOUND, "sample_rate_hz": 8000, "frame_seconds": SECONDS}, "without frames"),
        ({"frames": FRAMES, "frame_seconds": SECONDS, "fps": np.nan}, "fps must be above 0 and finite, got nan"),
        ({"frames": FRAMES}, r"got uint8 \(3, 8, 8, 3\) without frame_seconds"),
        ({"frames": FRAMES.astype(np.float32), "frame_seconds": SECONDS}, r"uint8 RGB .*got float32 \(8, 8, 3\)"),
        ({"frames": FRAMES[..., :1], "frame_seconds": SECONDS}, r"got uint8 \(8, 8, 1\) for frame 0"),
        ({"frames": FRAMES[0], "frame_seconds": SECONDS}, r"got uint8 \(8, 8, 3\)"),
        ({"frames": FRAMES, "frame_seconds": SECONDS[:2]}, r"each of the 3 frames, got shape \(2,\)"),
        (
            {"frames": FRAMES, "frame_seconds": [0.0, 0.08, 0.04]},
            "got 0.04 s after 0.08 s at frame 2",
        ),
        ({"frames": FRAMES, "frame_seconds": [0.0, np.nan, 0.04]}, "finite"),
        ({"frames": FRAMES[:0], "frame_seconds": []}, "at least one frame"),
        ({"frames": iter(())}, "at least one frame"),
        ({"frames": iter([FRAMES[0]])}, r"\(seconds, frame\) pairs, got uint8"),
        ({"frames": iter([(SECONDS[:2], FRAMES)])}, r"uint8 \(3, 8, 8, 3\) came with time stamps of shape \(2,\)"),
        ({"frames": iter([(0.1, FRAMES[0]), (0.0, FRAMES[1])])}, "must not decrease, .* at frame 1"),
        ({"frames": iter([(0.0, FRAMES[0]), (0.1, FRAMES[1, :4])])}, r"as the first frame, got uint8 \(4, 8, 3\)"),
        ({"frames": iter(()), "frame_seconds": SECONDS}, "no frame_seconds"),
        ({"frames": 7}, "got int without"),
        ({"samples": SOUND}, "sample_rate_hz must be a whole number above 0, got None"),
        ({"samples": SOUND, "sample_rate_hz": 0}, "above 0, got 0"),
        ({"samples": SOUND.astype(np.int16), "sample_rate_hz": 8000}, r"float32 in \[-1, 1\].*got int16 \(800,\)"),
        ({"samples": SOUND.reshape(2, 20, 20), "sample_rate_hz": 8000}, r"got float32 \(2, 20, 20\)"),
        ({"samples": SOUND[:0], "sample_rate_hz": 8000}, "at least one sample"),
        ({"samples": SOUND + np.float32(np.inf), "sample_rate_hz": 8000}, "must be finite"),
        ({"samples": SOUND, "sample_rate_hz": 8000, "audio_start_seconds": np.nan}, "audio_start_seconds"),
    ],
)
def test_what_is_refused_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ArraySource(**given)


def test_an_iterable_that_goes_wrong_midway_is_said() -> None:
    pairs = ((index / 25, np.zeros((8, 8 if index < 40 else 9, 3), np.uint8)) for index in range(50))
    with ArraySource(pairs) as source, pytest.raises(OptionError, match="for frame 40"):
        list(source.video_chunks())


def test_limits_hold() -> None:
    with pytest.raises(MediaLimitError, match="pixels"):
        ArraySource(FRAMES, SECONDS, limits=MediaLimits(max_pixels_per_frame=63))
    with pytest.raises(MediaLimitError, match="lasts 9 s"):
        ArraySource(FRAMES, [0.0, 4.0, 6.0], limits=MediaLimits(max_duration_seconds=5.0))
    endless = ((index / 25, FRAMES[0]) for index in range(10**9))
    with ArraySource(endless, limits=MediaLimits(max_duration_seconds=5.0)) as source:
        assert 125 <= sum(len(chunk.present) for chunk in source.video_chunks()) <= 127
        assert source.report.outcome is Outcome.TOO_LARGE
    many = ((index / 25, FRAMES[0]) for index in range(10**9))
    with ArraySource(many, limits=MediaLimits(max_total_pixels=64 * 50)) as source:
        assert sum(len(chunk.present) for chunk in source.video_chunks()) in (49, 50)
        assert "pixels in all" in source.report.text


def test_long_sides_are_scaled_down() -> None:
    frames = np.full((2, 20, 64, 3), 50, np.uint8)
    with ArraySource(frames, [0.0, 0.04], limits=MediaLimits(max_side_px=32)) as source:
        (chunk,) = source.video_chunks()
        assert source.info.video is not None and source.info.video.width_px == 64
    assert chunk.frames.shape == (2, 10, 32, 3) and (chunk.frames == 50).all()


def test_a_source_is_read_once_and_not_after_it_is_closed() -> None:
    source = ArraySource(FRAMES, SECONDS)
    list(source.video_chunks())
    with pytest.raises(OptionError, match="once"):
        list(source.video_chunks())
    source.close()
    source.close()
    with pytest.raises(OptionError, match="closed"):
        source.audio()


def test_hardly_any_sound_is_unreadable() -> None:
    with pytest.raises(MediaUnreadableError, match="20 ms"):
        ArraySource(samples=SOUND[:100], sample_rate_hz=16_000).audio()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 15_999])
def test_resampling_is_that_of_the_decoder(rate_hz: int) -> None:
    noise = (0.3 * np.random.default_rng(5).standard_normal(11 * rate_hz // 10)).astype(np.float32)
    resampler = av.AudioResampler(format="fltp", rate=16_000)
    frame = av.AudioFrame.from_ndarray(noise[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate_hz, None
    wanted = np.concatenate([part.to_ndarray()[0] for given in (frame, None) for part in resampler.resample(given)])
    # FFmpeg interpolates between the phases of its filter where the rates have more than 1024 of them.
    tolerance = 2e-5 if rate_hz == 15_999 else 2e-6
    np.testing.assert_allclose(np.concatenate(list(resample(noise, rate_hz))), wanted, rtol=0, atol=tolerance)


def test_resampling_in_blocks_leaves_no_seam() -> None:
    rate_hz = 44_100
    seconds = np.arange(25 * rate_hz) / rate_hz
    blocks = list(resample(np.sin(2 * np.pi * 440 * seconds).astype(np.float32), rate_hz))
    assert len(blocks) == 3
    wanted = np.sin(2 * np.pi * 440 * np.arange(25 * 16_000) / 16_000)
    np.testing.assert_allclose(np.concatenate(blocks)[100:-100], wanted[100:-100], rtol=0, atol=1e-4)


def test_channels_are_mixed_as_the_decoder_mixes_them() -> None:
    left = np.full((1600, 2), [0.5, 0.1], np.float32)
    assert next(resample(left, 16_000)) == pytest.approx(0.3)
    lfe = np.zeros((1600, 6), np.float32)
    lfe[:, 3] = 1.0
    assert not next(resample(lfe, 16_000)).any()
