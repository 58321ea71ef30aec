# SPDX-License-Identifier: Apache-2.0
"""Perturbations and edits with real encoders: time is kept, what should change changes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from cad.errors import DataError, MediaUnreadableError, OptionError
from cad.evaluation.perturb.catalogue import AUDIO, VIDEO, perturb_file, perturbation
from cad.evaluation.perturb.edits import (
    Cut,
    cut_clip,
    leading_silence_seconds,
    replace_sound,
    splice,
    trim_leading_silence,
)
from cad.evaluation.perturb.source import Picture, Sound, clip_info, read_pictures, read_sound
from cad.evaluation.perturb.writer import Encoding, write_clip

RATE = 16_000
LEVELS = {
    "h264_crf": 38, "h265_crf": 38, "resize": 0.25, "gaussian_noise": 14, "blur": 4, "pixelation": 10,
    "frame_drop": 0.35, "colour": 0.0, "additive_noise": 10, "reverb": 0.4, "mp3": 32, "aac": 32, "opus": 16,
    "pitch": 3.0, "resample": 4000,
}  # fmt: skip


def clicks(seconds, every=0.25, first=0.1):
    """Short noise bursts at known times: sound whose place in time can be read."""
    rate = RATE
    samples = 0.01 * np.random.default_rng(0).standard_normal(int(seconds * rate))
    for start in np.arange(first, seconds - 0.02, every):
        samples[int(start * rate) : int((start + 0.02) * rate)] += 0.5 * np.sin(np.arange(int(0.02 * rate)) * 0.6)
    return Sound(samples.astype(np.float32), rate)


def numbered(seconds, fps=25):
    """Frames whose brightness says when they are shown."""
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 60, (96, 128, 3))
    return [Picture(i / fps, np.clip(texture + 4 * i, 0, 255).astype(np.uint8)) for i in range(int(seconds * fps))]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return write_clip(folder / "clip", numbered(1.6), clicks(1.6), Fraction(25), Encoding())


def content(file):
    info = clip_info(file)
    return list(read_pictures(file, info)), read_sound(file, info)


def lag_seconds(first, second):
    """By how much the second sound lies behind the first."""
    size = min(len(first.samples), len(second.samples))
    a, b = (np.abs(s.samples[:size]) for s in (first, second))
    product = np.fft.irfft(np.fft.rfft(b - b.mean(), 2 * size) * np.conj(np.fft.rfft(a - a.mean(), 2 * size)))
    best = int(np.argmax(product))
    return (best - 2 * size if best > size else best) / first.rate_hz


def test_the_writer_keeps_time_and_content(clip):
    pictures, sound = content(clip)
    assert [round(p.seconds, 3) for p in pictures] == [round(i / 25, 3) for i in range(40)]
    assert abs(lag_seconds(clicks(1.6), sound)) < 0.001 and sound.seconds == pytest.approx(1.6, abs=0.001)
    brightness = np.array([p.pixels.mean() for p in pictures])
    assert np.all(np.diff(brightness) > 2)


@pytest.mark.parametrize("name", [*VIDEO, *AUDIO, "none"])
def test_perturbations_keep_the_time(clip, tmp_path, name):
    made = perturb_file(clip, tmp_path / "made", perturbation(name, LEVELS.get(name, 0)))
    pictures, sound = content(made)
    before, heard = content(clip)
    assert sound.seconds == pytest.approx(heard.seconds, abs=0.07)  # lossy encoders fill their last block
    same_rate = Sound(sound.samples[:: round(sound.rate_hz / RATE)], RATE)
    if name not in ("reverb",):
        # Stretching time back after a change of pitch moves words about by less than half a slot.
        assert abs(lag_seconds(heard, same_rate)) < (0.02 if name == "pitch" else 0.004)
    times = [p.seconds for p in pictures]
    if name == "frame_drop":
        assert 15 < len(pictures) < 36 and set(np.round(times, 2)) < set(np.round([p.seconds for p in before], 2))
    else:
        assert np.allclose(times, [p.seconds for p in before], atol=0.002)
    first = np.stack([p.pixels for p in before[: len(pictures)]]).astype(float)
    second = np.stack([p.pixels for p in pictures]).astype(float)
    if name in AUDIO or name == "none":
        assert np.abs(first - second).mean() < 4  # the picture is only rewritten
    elif name != "frame_drop":
        assert np.abs(first - second).mean() > 3
    if name in VIDEO or name == "none":
        assert np.abs(sound.samples - heard.samples[: len(sound.samples)]).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "codec"), [("h265_crf", "hevc"), ("mp3", "mp3float"), ("aac", "aac"), ("opus", "opus")]
)
def test_real_encoders_write(clip, tmp_path, name, codec):
    made = perturb_file(clip, tmp_path / "made", perturbation(name, LEVELS[name]))
    with av.open(str(made)) as container:
        stream = container.streams.video[0] if name == "h265_crf" else container.streams.audio[0]
        assert codec.startswith(stream.codec_context.codec.canonical_name[:3])


def test_stronger_levels_do_more(clip, tmp_path):
    sizes = [
        perturb_file(clip, tmp_path / str(crf), perturbation("h264_crf", crf)).stat().st_size for crf in (20, 30, 40)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_noise_has_the_stated_ratio_and_is_the_same_again(clip, tmp_path):
    first = perturb_file(clip, tmp_path / "a", perturbation("additive_noise", 10))
    second = perturb_file(clip, tmp_path / "b", perturbation("additive_noise", 10))
    (_, one), (_, two), (_, clean) = content(first), content(second), content(clip)
    assert np.array_equal(one.samples, two.samples)
    noise = one.samples - clean.samples
    ratio = 10 * np.log10(np.mean(clean.samples**2) / np.mean(noise**2))
    assert ratio == pytest.approx(10, abs=0.5)


def test_pitch_moves_the_spectrum_by_the_ratio():
    from cad.evaluation.perturb.sound import shift_pitch

    tone = Sound((0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32), RATE)
    shifted = shift_pitch(tone, 4.0)
    peak = np.argmax(np.abs(np.fft.rfft(shifted.samples))) / shifted.seconds
    assert peak == pytest.approx(440 * 2 ** (4 / 12), rel=0.02) and len(shifted.samples) == RATE


def test_sound_alone_and_picture_alone(tmp_path):
    sound_only = write_clip(tmp_path / "sound", [], clicks(1.0), None, Encoding())
    picture_only = write_clip(tmp_path / "picture", numbered(0.6), None, Fraction(25), Encoding())
    made = perturb_file(sound_only, tmp_path / "s", perturbation("mp3", 48))
    assert content(made)[0] == [] and content(made)[1].seconds == pytest.approx(1.0, abs=0.1)
    made = perturb_file(picture_only, tmp_path / "p", perturbation("mp3", 48))
    assert len(content(made)[0]) == 15 and content(made)[1] is None


def test_a_shift_is_cut_from_another_time(clip, tmp_path):
    """0.2 s later sound under the same picture; the control is cut alike and in step."""
    whole = clicks(1.6)
    control = content(cut_clip(clip, tmp_path / "control", Cut(0.2, 0.2, 1.0)))
    shifted = content(cut_clip(clip, tmp_path / "shifted", Cut(0.2, 0.4, 1.0)))
    assert [p.pixels.mean() for p in control[0]] == pytest.approx([p.pixels.mean() for p in shifted[0]])
    assert len(control[0]) == 25 and control[0][0].seconds == pytest.approx(0.0, abs=0.002)
    for (_, sound), start in ((control, 0.2), (shifted, 0.4)):
        expected = whole.cut(start, start + 1.0)
        assert np.abs(sound.samples - expected.samples[: len(sound.samples)]).max() < 1e-3
        assert sound.seconds == pytest.approx(1.0, abs=0.001)


def test_a_cut_past_the_end_is_refused(clip, tmp_path):
    with pytest.raises(DataError, match="ends before second"):
        cut_clip(clip, tmp_path / "x", Cut(0.0, 1.0, 1.0))


def test_leading_silence_is_cut_from_both_streams(tmp_path):
    silent = np.concatenate([np.zeros(RATE // 2, np.float32), clicks(1.0, first=0.0).samples])
    file = write_clip(tmp_path / "a", numbered(1.5), Sound(silent, RATE), Fraction(25), Encoding())
    assert leading_silence_seconds(content(file)[1]) == pytest.approx(0.5, abs=0.005)
    pictures, sound = content(trim_leading_silence(file, tmp_path / "b"))
    assert leading_silence_seconds(sound) < 0.005 and len(pictures) == 24
    assert pictures[0].pixels.mean() == pytest.approx(content(file)[0][13].pixels.mean(), abs=3)


def test_all_silence_is_not_cut_to_nothing(tmp_path):
    file = write_clip(
        tmp_path / "a", numbered(0.4), Sound(np.zeros(RATE // 2, np.float32), RATE), Fraction(25), Encoding()
    )
    assert len(content(trim_leading_silence(file, tmp_path / "b"))[0]) == 10


def test_a_splice_changes_its_stretch_only(clip, tmp_path):
    voice = Sound((0.2 * np.sin(np.arange(2 * RATE) * 0.3)).astype(np.float32), RATE)
    donor = write_clip(tmp_path / "donor", [], voice, None, Encoding())
    made = replace_sound(clip, tmp_path / "made", donor, 0.5, 1.1)
    before, after = content(clip)[1].samples, content(made)[1].samples
    first, last = int(0.5 * RATE), int(1.1 * RATE)
    assert np.abs(after[:first] - before[:first]).max() < 1e-3 and np.abs(after[last:] - before[last:]).max() < 1e-3
    inside = np.corrcoef(after[first + 400 : last - 400], voice.samples[first + 400 : last - 400])[0, 1]
    assert inside > 0.99
    levels = [np.sqrt(np.mean(s[first:last] ** 2)) for s in (before, after)]
    assert levels[1] == pytest.approx(levels[0], rel=0.1)


def test_a_splice_from_another_rate_and_from_too_short_a_donor():
    own = clicks(2.0)
    other = Sound((0.1 * np.sin(2 * np.pi * 300 * np.arange(44_100) / 44_100)).astype(np.float32), 44_100)
    spliced = splice(own, other, 0.2, 0.8)
    spectrum = np.abs(np.fft.rfft(spliced.samples[int(0.25 * RATE) : int(0.75 * RATE)]))
    assert np.argmax(spectrum) / 0.5 == pytest.approx(300, abs=4)
    with pytest.raises(DataError, match=r"lasts 1.00 s"):
        splice(own, other, 0.1, 1.9)


def test_unknown_names_and_files(tmp_path):
    with pytest.raises(OptionError, match=r"nearest are .*blur"):
        perturbation("blurr", 1)
    with pytest.raises(OptionError, match="encoders are"):
        Encoding(audio="vorbis")
    (tmp_path / "a.mp4").write_text("text")
    with pytest.raises(MediaUnreadableError):
        perturb_file(tmp_path / "a.mp4", tmp_path / "b", perturbation("none", 0))
