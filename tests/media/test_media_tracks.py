# SPDX-License-Identifier: Apache-2.0
"""Every picture and sound of a file is listed, can be read, and is paired with what it belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg
from made_media import DARK, RED, talk
from made_tracks import Picture, Voice, write_tracks

from cad.errors import MissingStreamError, OptionError
from cad.media.reader import open_media
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo
from cad.media.tracks import Scene, choose_tracks, pair_tracks

PICTURE = VideoStreamInfo("h264", 640, 360, 25.0, 0, 0.0, 50, 2.0)
SOUND = AudioStreamInfo("aac", 48_000, 2, 0.0, 2.0)


def info_of(
    videos: list[tuple[float, int | None]], audios: list[tuple[float, int | None]], main: tuple[int, int] = (1, 1)
) -> MediaInfo:
    """A file whose tracks have these starts and programs."""
    pictures = tuple(
        replace(PICTURE, number=number, start_seconds=start, program=program)
        for number, (start, program) in enumerate(videos, start=1)
    )
    sounds = tuple(
        replace(SOUND, number=number, start_seconds=start, program=program, is_default=False)
        for number, (start, program) in enumerate(audios, start=1)
    )
    return MediaInfo(
        *("a.mkv", MediaKind.VIDEO, "matroska", 1000, 2.0, 0.0),
        pictures[main[0] - 1] if pictures else None,
        sounds[main[1] - 1] if sounds else None,
        videos=pictures,
        audios=sounds,
    )


@pytest.mark.parametrize(
    ("videos", "audios", "main", "scenes"),
    [
        ([(0, None)], [(0, None)] * 3, (1, 2), [(1, (2, 1, 3))]),
        ([(0, None)] * 2, [(0, None)] * 2, (1, 1), [(1, (1,)), (2, (2,))]),
        ([(0, None)] * 2, [(0, None)] * 2, (2, 1), [(2, (2,)), (1, (1,))]),  # a player's choice mixes the pairs
        ([(0, None)] * 2, [(0, None)], (2, 1), [(2, (1,)), (1, ())]),
        ([(0, None), (60.0, None)], [(0, None), (0, None), (60.0, None)], (1, 1), [(1, (1, 2)), (2, (3,))]),
        ([(0, 1), (0, 2)], [(0, 2), (0, 1), (0, 2)], (1, 2), [(1, (2,)), (2, (1, 3))]),
        ([(0, 1)], [(0, 1), (0, 2)], (1, 1), [(1, (1,)), (None, (2,))]),
        ([], [(0, None)] * 2, (1, 1), [(None, (1, 2))]),
        ([(0, None)], [], (1, 1), [(1, ())]),
    ],
    ids=["languages", "pairs", "crossed", "cameras", "starts", "programs", "radio", "sounds", "mute"],
)
def test_pairing(videos, audios, main, scenes) -> None:
    assert pair_tracks(info_of(videos, audios, main)) == tuple(Scene(*one) for one in scenes)


@pytest.mark.parametrize(
    ("videos", "audios", "most", "scenes", "left_out"),
    [
        (None, None, 8, [(1, (1,)), (2, (2,))], []),
        ((2,), None, 8, [(2, (2,))], [("audio", 1, "option"), ("video", 1, "option")]),
        (None, (2,), 8, [(2, (2,))], [("audio", 1, "option"), ("video", 1, "option")]),
        ((1,), (2,), 8, [(1, ()), (None, (2,))], [("audio", 1, "option"), ("video", 2, "option")]),
        (None, None, 1, [(1, (1,))], [("audio", 2, "limit"), ("video", 2, "limit")]),
    ],
)
def test_choosing(videos, audios, most, scenes, left_out) -> None:
    chosen, rest = choose_tracks(info_of([(0, None)] * 2, [(0, None)] * 2), videos, audios, most)
    assert chosen == tuple(Scene(*one) for one in scenes)
    assert [(one.kind, one.number, one.why) for one in rest] == left_out


def test_a_number_that_is_not_there_is_an_error_of_the_file() -> None:
    info = info_of([(0, None)], [(0, None)] * 2)
    with pytest.raises(MissingStreamError, match="has no sound 3: it has 2 sounds"):
        choose_tracks(info, None, (1, 3), 8)
    with pytest.raises(MissingStreamError, match=r"has no picture 2: it has 1 picture$"):
        choose_tracks(info, (2,), None, 8)
    with pytest.raises(MissingStreamError, match="has no picture 1: it has no picture"):
        choose_tracks(info_of([], [(0, None)]), (1,), None, 8)


def test_every_track_is_listed_as_the_file_tells_of_it(tmp_path: Path) -> None:
    path = write_tracks(
        tmp_path / "a.mkv",
        [
            Picture(DARK),
            Voice(talk(2.0, seed=1), language="eng", title="Original"),
            Picture(RED, is_default=True),
            Voice(talk(2.0, seed=2), is_default=True, language="ger"),
            Voice(talk(2.0, seed=3)),
        ],
    )
    with open_media(path) as reader:
        info = reader.info
        assert [(one.number, one.is_default) for one in info.videos] == [(1, False), (2, True)]
        assert [(one.number, one.language, one.title, one.is_default) for one in info.audios] == [
            (1, "eng", "Original", False),
            (2, "ger", "", True),
            (3, "", "", False),
        ]
        assert info.video == info.videos[1]
        for number, seed in ((3, 3), (1, 1), (2, 2)):  # in any order
            sound = reader.audio(number)
            assert sound is not None
            np.testing.assert_allclose(sound.samples, talk(2.0, seed=seed), atol=2e-4)
        for number, colour in ((1, DARK), (2, RED)):
            chunks = list(reader.video_chunks(number))
            assert sum(int(chunk.present.sum()) for chunk in chunks) == 50
            assert abs(int(chunks[0].frames[0, 60, 80, 0]) - colour[0]) < 10
            assert reader.report_on(number, 1).coverage == 1.0
        with pytest.raises(OptionError, match="there is no sound 4"):
            reader.audio(4)
        with pytest.raises(OptionError, match="there is no picture 3"):
            list(reader.video_chunks(3))


def test_programs_of_a_transport_stream_are_kept_apart(ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    picture, sound = ("-f", "lavfi", "-i", "testsrc=s=160x120:d=2"), ("-f", "lavfi", "-i", "sine=300:d=2")
    maps = [part for stream in ("0", "1", "2", "3", "2", "3") for part in ("-map", stream)]
    program = ("-program", "program_num=7:st=0:st=4", "-program", "program_num=9:st=1:st=2:st=3:st=5")
    run_ffmpeg(*picture, *picture, *sound, *sound, *maps, "-c:v", "mpeg2video", "-c:a", "mp2", *program, path)
    with open_media(path) as reader:
        info = reader.info
        # The demuxer lists one program after the other.
        assert [one.program for one in info.videos] == [1, 2]
        assert [one.program for one in info.audios] == [1, 2, 2, 2]
        scenes = {scene.video: sorted(scene.audios) for scene in pair_tracks(info)}
        assert scenes == {1: [1], 2: [2, 3, 4]}


def test_one_program_is_no_program(ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    sources = ("-f", "lavfi", "-i", "testsrc=s=160x120:d=2", "-f", "lavfi", "-i", "sine=300:d=2")
    run_ffmpeg(*sources, "-map", "0", "-map", "1", "-map", "1", "-c:v", "mpeg2video", "-c:a", "mp2", path)
    with open_media(path) as reader:
        assert {one.program for one in (*reader.info.videos, *reader.info.audios)} == {None}


def test_covers_subtitles_and_time_codes_are_no_tracks(ffmpeg: None, tmp_path: Path) -> None:
    cover, words = tmp_path / "cover.png", tmp_path / "words.srt"
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", cover)
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n", encoding="utf-8")
    sources = ("-f", "lavfi", "-i", "testsrc=s=160x120:d=2", "-f", "lavfi", "-i", "sine=300:d=2")
    maps = ("-map", "2", "-map", "0", "-map", "1", "-map", "3")
    codecs = ("-c:v:0", "copy", "-c:v:1", "mpeg4", "-c:a", "aac", "-c:s", "mov_text")
    path = tmp_path / "a.mp4"
    flags = ("-disposition:v:0", "attached_pic", "-timecode", "00:00:00:00")
    run_ffmpeg(*sources, "-i", cover, "-i", words, *maps, *codecs, *flags, path)
    with open_media(path) as reader:
        assert [one.codec for one in reader.info.videos] == ["mpeg4"]
        assert [one.codec for one in reader.info.audios] == ["aac"]


@pytest.mark.parametrize(("suffix", "codec"), [("mxf", "pcm_s16le"), ("mp4", "aac"), ("vob", "ac3")])
def test_four_mono_sounds_go_with_their_picture(suffix: str, codec: str, ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sounds = [part for hz in (300, 400, 500, 600) for part in ("-f", "lavfi", "-i", f"sine={hz}:d=2:r=48000")]
    maps = [part for index in range(5) for part in ("-map", str(index))]
    picture = ("-f", "lavfi", "-i", "testsrc=s=160x128:d=2:r=25")
    run_ffmpeg(*picture, *sounds, *maps, "-c:v", "mpeg2video", "-c:a", codec, path)
    with open_media(path) as reader:
        assert len(reader.info.audios) == 4
        (scene,) = pair_tracks(reader.info)
        assert scene.video == 1 and sorted(scene.audios) == [1, 2, 3, 4]
        for number in range(1, 5):
            sound = reader.audio(number)
            assert sound is not None and len(sound.present) >= 49
