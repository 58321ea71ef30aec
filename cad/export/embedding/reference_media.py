# SPDX-License-Identifier: Apache-2.0
"""Reference vectors of decoding and of what is cut: resampling, time stamps, speech, windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.made_sounds import Sound
from cad.export.embedding.reference_records import Case, as_float, as_int16, made_chord, made_voice
from cad.faces.records import CROP_SIZE_PX, FaceCrops
from cad.media.grid import FramePlacer, origin_seconds, reach_seconds
from cad.media.records import AudioSamples, AudioStreamInfo, VideoStreamInfo
from cad.media.resample import resample
from cad.spec import ModelSpec
from cad.speech import Speech, find_speech
from cad.windows import Window, WindowCutter

#: FFmpeg's resampler and ours differ by less (tests/media/test_media_arrays.py).
_RESAMPLED = 2e-5
_STAMPS = {
    "25_a_second": (25.0, [index / 25 for index in range(8)]),
    "30_a_second": (30.0, [index / 30 for index in range(12)]),
    "24_rounded_to_ms": (23.976, [round(index / 23.976, 3) for index in range(10)]),
    "50_a_second": (50.0, [index / 50 for index in range(12)]),
    "a_gap_and_a_late_one": (25.0, [0.013, 0.052, 0.094, 0.094, 0.05, 0.412, 0.45]),
    "five_a_second": (5.0, [0.0, 0.2, 0.4, 0.6]),
}
#: Start of the picture and of the sound in seconds, None where there is none.
_STARTS = ((0.0, 0.0), (0.04, 0.0), (0.0213, 0.0), (0.0, 0.3), (1.48, 1.4), (None, 0.5), (2.0, None))


def media_cases(spec: ModelSpec) -> Iterator[Case]:
    """Yield the cases."""
    for rate_hz in (44_100, 48_000):
        yield _resampled(f"{rate_hz}_mono", _glide(rate_hz)[:, None], rate_hz)
    both = np.stack([_glide(48_000), 0.5 * _glide(48_000)[::-1]], axis=1)
    yield _resampled("48000_stereo", both.astype(np.float32), 48_000)
    for video, audio in _STARTS:
        starts = {"video_start": video, "audio_start": audio}
        yield Case("origin", f"{video}_{audio}", starts, {"origin": _origin(video, audio)}, {"origin": 1e-9})
    for name, (fps, stamps) in _STAMPS.items():
        yield Case("placing", name, {"fps": fps, "seconds": stamps}, {"placed": _placed(fps, stamps)})
    voice = made_voice()
    sounds = {"voice": voice, "faint_voice": as_int16(as_float(voice) / 50), "chord": made_chord(3.0),
              "silence": np.zeros(50 * SAMPLES_PER_FRAME, np.int16)}  # fmt: skip
    for name, samples in sounds.items():
        yield Case("speech_activity", name, {"samples": samples}, {"speech": find_speech(_audio(samples))})
    speech = find_speech(_audio(voice))
    yield _windows("two_faces", voice, speech, {0: list(range(60)), 1: [*range(70, 78), *range(80, 112)]}, spec)
    yield _windows("no_face", voice, speech, {}, spec)
    yield _windows("a_long_gap", voice, speech, {0: [*range(20), *range(60, 100)]}, spec)


def _glide(rate_hz: int) -> Sound:
    """Return half a second of a gliding tone."""
    time = np.arange(rate_hz // 2) / rate_hz
    return (0.4 * np.sin(2 * np.pi * (200 * time + 3000 * time**2))).astype(np.float32)


def _resampled(name: str, samples: Sound, rate_hz: int) -> Case:
    out = np.concatenate(list(resample(samples, rate_hz)))
    return Case("resampling", name, {"samples": samples, "rate_hz": rate_hz}, {"samples": out}, {"samples": _RESAMPLED})


def _origin(video: float | None, audio: float | None) -> float:
    picture = None if video is None else VideoStreamInfo("h264", 64, 64, 25.0, 0, video, None, None)
    sound = None if audio is None else AudioStreamInfo("aac", 16_000, 1, audio, None)
    return origin_seconds(picture, picture, sound)


def _placed(fps: float, stamps: list[float]) -> list[list[int]]:
    """Return [first slot, number of slots, index of the picture] for every picture that is shown."""
    placer, placed, held = FramePlacer(reach_seconds(fps)), [], -1
    for index, seconds in enumerate(stamps):
        if placer.is_late(seconds):
            continue
        placement, shown = placer.next_frame(seconds), held
        held = index
        if placement is not None:
            placed.append([placement.first_slot + placement.missing, placement.count, shown])
    last = placer.end()
    return placed + ([] if last is None else [[last.first_slot + last.missing, last.count, held]])


def _audio(samples: NDArray[np.int16]) -> AudioSamples:
    return AudioSamples(as_float(samples), np.ones(len(samples) // SAMPLES_PER_FRAME, np.bool_))


def _windows(
    name: str, voice: NDArray[np.int16], speech: NDArray[np.bool_], faces: dict[int, list[int]], spec: ModelSpec
) -> Case:
    """Return the windows that faces, by the slots in which each is seen, and a sound are cut into."""
    cutter = WindowCutter(
        Speech(speech, np.zeros(len(speech)), Speech.of_audio(_audio(voice)).read),
        spec.window_frames, spec.hop_frames, spec.min_frames,
    )  # fmt: skip
    found: list[Window] = []
    for track, slots in faces.items():
        for slot in slots:
            found += cutter.push(_crop(track, slot))
    found += list(cutter.flush())
    listed = [[one.first_slot, len(one.frames_present), one.track_id] for one in found]
    seen = [one.frames_present.astype(int).tolist() for one in found]
    heard = [one.audio_present.astype(int).tolist() for one in found]
    inputs = {"speech": speech, "faces": [[track, slots] for track, slots in faces.items()]}
    return Case("windows", name, inputs, {"windows": listed, "frames_present": seen, "audio_present": heard})


def _crop(track: int, slot: int) -> FaceCrops:
    return FaceCrops(
        track_id=track,
        first_slot=slot,
        crops=np.zeros((1, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8),
        present=np.ones(1, np.bool_),
        boxes_px=np.zeros((1, 4), np.float32),
        points_px=np.zeros((1, 5, 2), np.float32),
        scores=np.ones(1, np.float32),
    )
