# SPDX-License-Identifier: Apache-2.0
"""A still is told by what it is, whatever carries it; pictures that move are video; what else is there is named."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_heif import coded, full_box, grid_of, heif, overlay_of, photograph, tiles_of
from PIL import Image

from cad.errors import MediaError, MediaLimitError, MediaUnreadableError
from cad.media.heif import read_picture_map
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.reader import open_media
from cad.media.records import MediaInfo, MediaKind, Outcome, ReadReport
from cad.media.webp import open_animated_webp

#: EXIF orientation by what was done to the upright picture to get the stored one.
STORED = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
#: The same as boxes of HEIF: quarter turns anticlockwise, then a mirror (0 upside down, 1 left to right).
TURNS = {1: [], 2: [("m", 1)], 3: [("r", 2)], 4: [("m", 0)], 5: [("r", 1), ("m", 0)], 6: [("r", 3)],
         7: [("r", 3), ("m", 0)], 8: [("r", 1)]}  # fmt: skip


@pytest.fixture(scope="module")
def pool():
    with MediaPool() as pool:
        yield pool


def picture(width: int = 300, height: int = 200) -> np.ndarray:
    """Return smooth colours that differ in every corner, uint8 (height, width, 3)."""
    down, across = np.mgrid[0:height, 0:width]
    return np.stack(
        [40 + 180 * across / width, 220 - 170 * down / height, 60 + 120 * (across + down) / (width + height)], axis=2
    ).astype(np.uint8)


def read(pool: MediaPool, data: bytes) -> tuple[MediaInfo, ReadReport, np.ndarray, np.ndarray]:
    """Return what is said of a file, its frames and their presence."""
    with pool.open(data) as reader:
        reader.audio()
        chunks = list(reader.video_chunks())
        return (
            reader.info,
            reader.report,
            np.concatenate([chunk.frames for chunk in chunks]),
            np.concatenate([chunk.present for chunk in chunks]),
        )


def still(pool: MediaPool, data: bytes) -> tuple[MediaInfo, ReadReport, np.ndarray]:
    """Return what is said of a file that must be one still, and its picture."""
    info, report, frames, present = read(pool, data)
    assert info.kind is MediaKind.IMAGE and info.duration_seconds == 0
    assert frames.shape[0] == 1 and present.all() and report.decoded_frames == 1
    assert frames.shape[1:3] == (info.video.height_px, info.video.width_px)
    return info, report, frames[0]


def assert_alike(found: np.ndarray, wanted: np.ndarray, most: float = 4.0) -> None:
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted)
    assert difference.mean() < most and np.quantile(difference, 0.99) < 6 * most, difference.mean()


def saved(image: Image.Image, kind: str, append_images: Sequence[Image.Image] = (), **options: object) -> bytes:
    file = io.BytesIO()
    if append_images:
        options["append_images"] = [one.copy() for one in append_images]
    image.copy().save(file, kind, **options)  # copies, since Pillow leaves its settings on what it has saved
    return file.getvalue()


@pytest.mark.parametrize("kind", ["hvc1", "av01"])
def test_a_photograph_in_tiles_is_one_still(pool: MediaPool, kind: str) -> None:
    wanted = picture()
    info, report, found = still(pool, photograph(wanted, 128, kind))
    assert report.outcome is Outcome.OK and report.coverage == 1 and info.besides == ()
    assert info.container == "heif"
    assert_alike(found, wanted)


def test_more_tiles_than_streams_are_allowed(pool: MediaPool) -> None:
    wanted = picture(448, 384)
    assert_alike(still(pool, photograph(wanted, 64))[2], wanted)  # 42 tiles and a thumbnail


def test_a_single_coded_picture_is_one_still(pool: MediaPool) -> None:
    wanted = picture(256, 128)
    assert_alike(still(pool, heif([coded(wanted)]))[2], wanted)


@pytest.mark.parametrize("orientation", sorted(STORED))
def test_turns_and_mirrors_of_heif_apply_once(pool: MediaPool, orientation: int) -> None:
    wanted = picture(192, 128)
    how = STORED[orientation]
    stored = Image.fromarray(wanted) if how is None else Image.fromarray(wanted).transpose(how)
    boxes = [struct.pack(">I4sB", 9, b"irot" if kind == "r" else b"imir", value) for kind, value in TURNS[orientation]]
    assert_alike(still(pool, photograph(np.asarray(stored), 64, "hvc1", *boxes))[2], wanted)


@pytest.mark.parametrize("orientation", sorted(STORED))
@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_tags_of_the_orientation_apply_once(pool: MediaPool, kind: str, orientation: int) -> None:
    wanted = picture(192, 128)
    how = STORED[orientation]
    stored = Image.fromarray(wanted) if how is None else Image.fromarray(wanted).transpose(how)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_alike(still(pool, saved(stored, kind, exif=exif))[2], wanted)


def test_tags_behind_a_large_picture_are_found(pool: MediaPool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 480, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 5  # mirrored, which FFmpeg's own reading loses
    data = saved(Image.fromarray(noise), "WEBP", lossless=True, exif=exif)
    assert len(data) > 1 << 18
    assert np.array_equal(still(pool, data)[2], noise.transpose(1, 0, 2))


def test_an_aperture_cuts_the_picture(pool: MediaPool) -> None:
    wanted = picture(256, 128)
    # 100 x 60 around the centre, moved by (20, -10).
    aperture = struct.pack(">I4sIIIIiIiI", 40, b"clap", 100, 1, 60, 1, 20, 1, -10, 1)
    _, _, found = still(pool, photograph(wanted, 64, "hvc1", aperture))
    assert_alike(found, wanted[24:84, 98:198])


def test_pictures_over_each_other_are_drawn_in_their_order(pool: MediaPool) -> None:
    below, above = picture(256, 128), np.full((64, 64, 3), 200, np.uint8)
    items = [overlay_of([(0, 0), (128, 64), (-32, -32)], 256, 128), coded(above), coded(below)]
    found = still(pool, heif(items, [(b"dimg", 1, [3, 2, 2])]))[2]
    wanted = below.copy()
    wanted[64:, 128:192] = wanted[:32, :32] = 200
    assert_alike(found, wanted)


def test_the_main_picture_is_judged_and_the_others_are_named(pool: MediaPool) -> None:
    wanted, other = picture(256, 128), np.full((128, 256, 3), 200, np.uint8)
    depth = coded(np.full((64, 128, 3), 90, np.uint8))
    items = [coded(other), coded(wanted), coded(other), depth]
    data = heif(items, [(b"auxl", 4, [2])], primary=2)
    info, report, found = still(pool, data)
    assert_alike(found, wanted)
    assert info.besides == ("2 more pictures",) and "2 more pictures" in report.text
    film = struct.pack(">I4s", 24, b"mpvd") + bytes(16)
    assert still(pool, heif(items[1:2], tail=film))[0].besides == ("a video",)


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_tiles_that_are_missing_are_told(pool: MediaPool, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    tiles = tiles_of(noise, 64)
    data = heif([grid_of(4, 4, 256, 256), *tiles], [(b"dimg", 1, list(range(2, 18)))])
    _, report, found = still(pool, data[: int(len(data) * share)])
    assert report.outcome is Outcome.PARTIAL and abs(report.coverage - share) < 0.1
    missing = round(16 * (1 - report.coverage))
    assert report.bad_packets == missing
    flat = [np.ptp(found[at // 4 * 64 :, at % 4 * 64 :][:60, :60]) < 8 for at in range(16)]
    assert sum(flat) == missing


def test_limits_hold_before_anything_is_decoded(pool: MediaPool) -> None:
    limits = MediaLimits(max_pixels_per_frame=50_000)
    for data in (photograph(picture(), 64), animation(2, "WEBP", size=(300, 200))):
        with pytest.raises(MediaLimitError, match="300x200"):
            open_media(data, limits)


def test_a_damaged_header_is_one_clear_error(pool: MediaPool) -> None:
    data = photograph(picture(128, 128), 64)
    grid = data.index(struct.pack(">BBBBHH", 0, 0, 1, 1, 128, 128))
    with pytest.raises(MediaUnreadableError, match="header is damaged"):
        pool.open(data[:grid] + bytes([0, 0, 5, 5]) + data[grid + 4 :])


_HEAD = photograph(picture(128, 64), 64)[:900]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(24, len(_HEAD) - 1), st.integers(0, 255)), max_size=6), st.integers(24, 900))
def test_no_header_does_more_than_fail(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(_HEAD)
    for at, value in changes:
        data[at] = value
    fd = os.memfd_create("head")
    try:
        os.write(fd, bytes(data[:length]))
        picture_map = read_picture_map(fd, "head")
        assert picture_map is None or picture_map.width * picture_map.height > 0
    except MediaError:
        pass
    finally:
        os.close(fd)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(16, 400), st.integers(0, 255)), max_size=6), st.integers(30, 2000))
def test_no_animation_does_more_than_fail(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(animation(3, "WEBP"))
    for at, value in changes:
        data[at] = value
    fd = os.memfd_create("animation")
    try:
        os.write(fd, bytes(data[:length]))
        opened = open_animated_webp(fd, "animation", MediaLimits(max_pixels_per_frame=1 << 20))
        if opened is not None:
            frames = sum(1 for _ in opened.frames(lambda: None))
            assert frames + opened.bad_packets > 0
    except MediaError:
        pass
    finally:
        os.close(fd)


def moving(count: int, size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """Return pictures with a white bar that moves by a tenth of the width."""
    pictures = []
    for index in range(count):
        pixels = picture(*size)
        pixels[:, size[0] * index // count :][:, : size[0] // 10] = 255
        pictures.append(Image.fromarray(pixels))
    return pictures


def animation(
    count: int, kind: str, duration: int | list[int] = 80, size: tuple[int, int] = (96, 64), **more: object
) -> bytes:
    first, *rest = moving(count, size)
    return saved(first, kind, save_all=True, append_images=rest, duration=duration, **more)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PNG", "AVIF"])
def test_animated_pictures_are_video(pool: MediaPool, kind: str) -> None:
    info, report, frames, present = read(pool, animation(10, kind))
    assert info.kind is MediaKind.VIDEO and info.video.fps == pytest.approx(12.5, abs=0.01)
    assert report.decoded_frames == 10 and report.coverage == 1 and report.outcome is Outcome.NO_AUDIO
    assert len(frames) == 20 and present.all()
    bar = [int((frame[32].min(axis=1) > 240).nonzero()[0].mean() // 9.6) for frame in frames]
    assert bar == sorted(bar) and set(bar) >= set(range(9))


def test_delays_are_kept_and_none_is_a_tenth_of_a_second(pool: MediaPool) -> None:
    info, _, frames, present = read(pool, animation(5, "WEBP", [0, 40, 120, 10, 80], lossless=True))
    # Shown at 0, 0.1 (nothing stated), 0.14, 0.26 and 0.36 s (10 ms count as nothing).
    assert info.video.fps == pytest.approx(4 / 0.36)
    slots = np.flatnonzero(present)
    changes = (np.diff(frames[slots].astype(int), axis=0) != 0).any(axis=(1, 2, 3))
    shown = slots[[0, *(np.flatnonzero(changes) + 1)]]
    assert [index * 40 for index in shown] == pytest.approx([0, 100, 140, 260, 360], abs=40)


def test_parts_of_an_animation_are_drawn_on_what_was_there(pool: MediaPool) -> None:
    below = Image.new("RGBA", (100, 60), (200, 40, 40, 255))
    above = below.copy()
    above.paste((0, 0, 255, 255), (10, 12, 46, 50))
    half = Image.new("RGBA", (100, 60), (0, 255, 0, 128))
    data = saved(below, "WEBP", save_all=True, append_images=[above, half], duration=200, lossless=True)
    assert b"ANMF" in data
    _, _, frames, _ = read(pool, data)
    assert np.array_equal(frames[0], np.asarray(below)[..., :3])
    wanted = [np.asarray(one.convert("RGBA"))[..., :3] * (np.asarray(one)[..., 3:] / 255) for one in _drawn(data)]
    assert any(np.abs(frame - wanted[1]).max() <= 1 for frame in frames)
    assert np.abs(frames[-1] - wanted[2]).max() <= 1


def _drawn(data: bytes) -> list[Image.Image]:
    """Return the pictures of an animation as Pillow draws them."""
    image = Image.open(io.BytesIO(data))
    drawn = []
    for index in range(image.n_frames):
        image.seek(index)
        drawn.append(image.convert("RGBA"))
    return drawn


def test_an_animation_that_ends_early_is_told(pool: MediaPool) -> None:
    for kind in ("WEBP", "GIF", "PNG"):
        data = animation(20, kind, 40, size=(320, 240))
        _, report, frames, _ = read(pool, data[: len(data) // 2])
        assert report.outcome is Outcome.PARTIAL and report.bad_packets >= 1
        assert 5 <= len(frames) <= 14
        if kind != "GIF":  # whose header states neither its size nor its number of pictures
            assert report.coverage == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PNG", "AVIF"])
def test_an_animation_of_one_picture_is_a_still(pool: MediaPool, kind: str) -> None:
    assert_alike(still(pool, saved(moving(1)[0], kind, save_all=True))[2], np.asarray(moving(1)[0]), 8.0)


def clip(container: str, frames: int = 1, codec: str = "mpeg4", sound: bool = False) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height = 480, 320
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        voice = output.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(480, 320), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if voice is not None:
            samples = np.random.default_rng(0).normal(0, 0.1, (1, 32_000)).astype(np.float32)
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, 0
            output.mux([*voice.encode(block), *voice.encode(None)])
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "mpeg4"), ("mov", "mjpeg"), ("matroska", "mpeg4"), ("avi", "mjpeg"), ("mpegts", "mpeg2video"),
     ("mjpeg", "mjpeg")],
)  # fmt: skip
def test_a_video_of_one_picture_is_a_still(pool: MediaPool, container: str, codec: str) -> None:
    assert_alike(still(pool, clip(container, codec=codec))[2], picture(480, 320), 8.0)
    assert read(pool, clip(container, frames=2, codec=codec))[0].kind is MediaKind.VIDEO


def test_one_picture_under_sound_is_no_still(pool: MediaPool) -> None:
    info, report, _, _ = read(pool, clip("mp4", sound=True))
    assert info.kind is MediaKind.VIDEO and report.decoded_audio_seconds > 1.9


def test_a_video_that_was_cut_to_one_picture_is_no_still(pool: MediaPool) -> None:
    whole = clip("matroska", frames=50, codec="mjpeg")
    # Behind the second picture's first bytes.
    second = [at for at in range(len(whole)) if whole.startswith(b"\xff\xd8\xff", at)][1]
    info, report, _, _ = read(pool, whole[: second + 200])
    assert info.kind is MediaKind.VIDEO
    assert report.outcome is Outcome.PARTIAL and report.coverage < 0.1


def test_photographs_laid_end_to_end_are_video(pool: MediaPool) -> None:
    info, report, frames, _ = read(pool, b"".join(saved(one, "JPEG") for one in moving(5)))
    assert info.kind is MediaKind.VIDEO and report.decoded_frames == len(frames) == 5


def test_what_a_photograph_holds_besides_is_named(pool: MediaPool) -> None:
    first, *rest = moving(3)
    jpeg, small = saved(first, "JPEG"), saved(rest[0].resize((24, 16)).convert("L"), "JPEG")
    files = {
        saved(first, "MPO", save_all=True, append_images=rest): ("2 more pictures",),
        saved(first, "TIFF", save_all=True, append_images=rest): ("2 more pictures",),
        jpeg + small: ("1 more picture",),  # a map of gains for HDR
        jpeg + clip("mp4", frames=5): ("a video",),
        jpeg: (),
        saved(first, "TIFF"): (),
    }
    for data, besides in files.items():
        info, report, found = still(pool, data)
        assert_alike(found, np.asarray(first), 8.0)
        assert info.besides == besides and report.outcome is Outcome.OK
        assert all(words in report.text for words in besides)


def test_the_thumbnail_in_the_tags_is_not_taken_for_a_picture(pool: MediaPool) -> None:
    image = moving(1)[0]
    thumbnail = saved(image, "JPEG")  # even one of the same size
    entries = struct.pack("<HHII", 0x201, 4, 1, 44) + struct.pack("<HHII", 0x202, 4, 1, len(thumbnail))
    tiff = b"II*\0" + struct.pack("<IHIH", 8, 0, 14, 2) + entries + bytes(4) + thumbnail
    info, report, _ = still(pool, saved(image, "JPEG", exif=b"Exif\0\0" + tiff))
    assert info.besides == () and report.outcome is Outcome.OK


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.35, 0.75])
def test_a_jpeg_that_ends_early_is_told_with_its_share(pool: MediaPool, mode: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(30, 226, (240, 320, 3), np.uint8)
    data = saved(Image.fromarray(noise).convert(mode), "JPEG", quality=90)
    assert still(pool, data)[1].outcome is Outcome.OK
    _, report, _ = still(pool, data[: int(share * len(data))])
    assert report.outcome is Outcome.PARTIAL and report.coverage == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGBA"), ("PNG", "P"), ("PNG", "L"), ("PNG", "I;16"), ("WEBP", "RGBA"), ("AVIF", "RGBA"), ("JPEG", "CMYK"),
     ("JPEG", "L"), ("BMP", "RGB"), ("PPM", "RGB"), ("JPEG2000", "RGB"), ("TIFF", "RGB")],
)  # fmt: skip
def test_colours_come_as_they_are_stored(pool: MediaPool, kind: str, mode: str) -> None:
    image = Image.fromarray(picture())
    wanted = picture()
    if mode == "RGBA":  # what is half transparent keeps its colour
        image.putalpha(Image.fromarray((picture()[..., 0] // 2 + 100).astype(np.uint8)))
    elif mode == "I;16":
        image = Image.fromarray(picture()[..., 0].astype(np.uint16) * 257)
        wanted = np.repeat(picture()[..., :1], 3, axis=2)
    else:
        image = image.quantize(256) if mode == "P" else image.convert(mode)
        wanted = np.asarray(image.convert("RGB"))
    assert_alike(still(pool, saved(image, kind))[2], wanted)


def test_jpeg_xl_is_said_to_be_what_it_is(pool: MediaPool) -> None:
    with pytest.raises(MediaUnreadableError, match=r"no decoder.*jpegxl"):
        pool.open(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200))


def test_a_gif_whose_pictures_have_no_times_is_no_whole_one(pool: MediaPool) -> None:
    without = re.sub(rb"!\xf9\x04.{4}\0", b"", animation(4, "GIF"), flags=re.DOTALL)
    assert read(pool, animation(4, "GIF"))[1].coverage == 1
    _, report, _, _ = read(pool, without)  # FFmpeg takes them for one
    assert report.outcome is Outcome.PARTIAL and report.coverage == pytest.approx(0.25)


def test_the_poster_of_a_sequence_is_not_a_second_picture(tmp_path: Path) -> None:
    with open_media(animation(4, "AVIF")) as reader:
        assert reader.info.video is not None and reader.info.video.declared_frames == 4
        assert reader.info.kind is MediaKind.VIDEO


def test_apertures_and_other_boxes_leave_the_map_as_it_was() -> None:
    data = photograph(picture(128, 64), 64, "hvc1", full_box(b"pixi", b"\3\x08\x08\x08"))
    fd = os.memfd_create("photo")
    try:
        os.write(fd, data)
        found = read_picture_map(fd, "photo")
    finally:
        os.close(fd)
    assert found is not None and [(tile.left, tile.top) for tile in found.tiles] == [(0, 0), (64, 0)]
    assert (found.crop, found.others, found.has_video) == ((0, 0, 128, 64), 0, False)
