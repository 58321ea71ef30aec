# SPDX-License-Identifier: Apache-2.0
"""What the package says of chosen inputs, as files that the tests of the JavaScript core read (core.test.mjs)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from made_analysis import analysis, score, track
from numpy.typing import NDArray
from tiny_model import tiny_spec

from cad.export.embedding.constants import constants
from cad.faces.active_speaker import lip_score
from cad.faces.overlap import is_among, match
from cad.faces.records import FaceCrops, FaceDetection
from cad.faces.stillness import Stillness
from cad.faces.track import FaceTrack
from cad.faces.track_book import TrackSummary
from cad.media.grid import FramePlacer, origin_seconds, reach_seconds
from cad.media.records import AudioSamples, AudioStreamInfo, MediaKind, VideoStreamInfo
from cad.media.resample import resample
from cad.spec import HEADS, Calibration, ModelSpec, OperatingPoint
from cad.speech import Speech
from cad.verdict.domain import domain_of
from cad.verdict.judge import judge
from cad.windows import WindowCutter, WindowScore, window_spans

RATES_HZ = (8000, 16_000, 22_050, 44_100, 48_000, 96_000)


def write_cases(folder: Path) -> None:
    """Write one JSON file for every part of the core, and large arrays beside them."""
    cases: dict[str, Callable[[np.random.Generator, Path], Any]] = {
        "sound": sounds, "places": places, "faces": faces, "tracks": tracks, "lips": lips, "stillness": stillness,
        "windows": windows, "verdicts": verdicts, "pictures": pictures, "containers": containers,
    }  # fmt: skip
    for seed, (name, make) in enumerate(cases.items()):
        (folder / f"{name}.json").write_text(json.dumps(make(np.random.default_rng(seed), folder)), encoding="utf-8")
    (folder / "constants.json").write_text(json.dumps(constants()), encoding="utf-8")


def sounds(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Noise of several rates and numbers of channels, as the package mixes and resamples it."""
    cases = []
    for index, rate in enumerate(RATES_HZ):
        count = (1, 2, 6)[index % 3]
        noise = rng.normal(0, 0.2, (int(1.7 * rate), count)).astype(np.float32)
        if count == 2:
            noise[:, 1] = -noise[:, 0]  # one cable of a pair the wrong way round
        if count == 6:
            noise[:, 2:] = 0
        wanted = np.concatenate(list(resample(noise if count > 1 else noise[:, 0], rate)))
        noise.T.tofile(folder / f"sound_{rate}.f32")
        wanted.tofile(folder / f"sound_{rate}_16000.f32")
        cases.append({"rate": rate, "channels": count})
    return cases


def places(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Uneven time stamps, and which slots each picture serves."""
    cases = []
    for fps in (0.0, 5.0, 10.0, 24.0, 25.0, 29.97, 60.0):
        steps = rng.choice([0.5, 1.0, 1.0, 1.0, 3.0, 12.0], 60) / (fps or 25.0)
        stamps = np.round(np.cumsum(steps), 3)
        placer = FramePlacer(reach_seconds(fps))
        found: list[tuple[int, int, int]] = []
        for number, stamp in enumerate(stamps.tolist()):
            if not placer.is_late(stamp) and (one := placer.next_frame(stamp)) is not None:
                found.append((number - 1, one.first_slot + one.missing, one.count))
        if (last := placer.end()) is not None:
            found.append((len(stamps) - 1, last.first_slot + last.missing, last.count))
        video, audio = rng.uniform(-1, 2, 2).round(3).tolist()
        info = VideoStreamInfo("h264", 2, 2, fps, 0, video, 1, 1.0), AudioStreamInfo("aac", 8000, 1, audio, 1.0)
        origins = [origin_seconds(*info), origin_seconds(info[0]), origin_seconds(None, info[1])]
        cases.append(
            {"fps": fps, "stamps": stamps.tolist(), "found": found, "starts": [video, audio], "origins": origins}
        )
    return cases


def _face(rng: np.random.Generator) -> FaceDetection:
    left, top = rng.uniform(0, 100, 2)
    side = rng.uniform(20, 80)
    box = np.float32([left, top, left + side, top + 1.2 * side])
    points = (box[:2] + rng.uniform(0.2, 0.8, (5, 2)) * side).astype(np.float32)
    return FaceDetection(box, points, 0.9)


def _plain(face: FaceDetection) -> dict[str, Any]:
    return {"box": face.box_px.tolist(), "points": face.points_px.reshape(-1).tolist(), "score": face.score}


def faces(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Faces of one picture and those that were expected in it, and which is which."""
    cases = []
    for _ in range(40):
        expected, found = ([_face(rng) for _ in range(rng.integers(0, 5))] for _ in range(2))
        among = [is_among(face, expected) for face in found]
        cases.append({"expected": [*map(_plain, expected)], "found": [*map(_plain, found)],
                      "owners": match(expected, found), "among": among})  # fmt: skip
    return cases


def tracks(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Sightings of a face that moves, in the order in which they were made, and where it is between them."""
    cases = []
    frame = np.zeros((200, 200, 3), np.uint8)
    for _ in range(12):
        slots = np.cumsum(rng.choice([1, 2, 5, 5, 5, 14], 12))
        seen = [(int(slot), _face(rng)) for slot in slots]
        order = [0, 2, 1, *range(3, len(seen))]  # a look in between comes after the next one
        one = FaceTrack(*seen[0], frame)
        for index in order[1:]:
            one.see(*seen[index])
        wanted = range(seen[0][0] - 2, seen[-1][0] + 8)
        later = [slot for slot in wanted if slot > seen[-1][0]]
        cases.append({
            "seen": [(seen[index][0], _plain(seen[index][1])) for index in order],
            "states": [(slot, _plain(one.state_at(slot)) if one.present_at(slot) else None) for slot in wanted],
            "expected": [(slot, one.expected_points(slot).reshape(-1).tolist()) for slot in later],
        })  # fmt: skip
    return cases


def lips(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Motion of mouths beside the loudness of a sound."""
    cases = []
    for index in range(20):
        there = np.flatnonzero(rng.random(90) < rng.choice([0.1, 0.6, 1.0])) + 5
        loud = np.where(rng.random(100) < 0.8, rng.normal(-30, 8, 100), np.nan)
        motion = rng.normal(index % 3, 1, len(there)) + 0.1 * np.nan_to_num(loud)[np.maximum(there - 3, 0)] + 3
        cases.append({"slots": there.tolist(), "motion": motion.tolist(), "loudness": _known(loud),
                      "score": lip_score(0, there, motion, loud).score})  # fmt: skip
    return cases


def _known(values: NDArray[np.floating]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def stillness(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Crops of a photograph under a camera that shakes, and of the same with a mouth that opens."""
    yy, xx = np.mgrid[:160, :160]
    cases = []
    for name, opens in (("photograph", 0.0), ("talker", 40.0)):
        measured = Stillness()
        crops = np.empty((130, 160, 160, 3), np.uint8)
        for slot in range(len(crops)):
            x, y = xx + 1.2 * np.sin(slot), yy + 1.2 * np.cos(1.7 * slot)
            grey = 120 + 60 * np.sin(x / 9) * np.cos(y / 11) + 5 * np.sin(slot / 20)
            grey += opens * np.sin(slot / 3) * np.exp(-((x - 80) ** 2 + (y - 108) ** 2) / 150)
            crops[slot] = np.clip(grey, 0, 255)[..., None]
        measured.push(crops)
        crops.tofile(folder / f"stillness_{name}.u8")
        cases.append({"name": name, "is_frozen": measured.is_frozen()})
    return cases


def windows(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Where the windows of faces and of sound without a face lie."""
    cases = []
    for _ in range(20):
        speech = rng.random(260) < rng.choice([0.0, 0.7])
        cutter = WindowCutter(Speech.of_audio(AudioSamples(np.zeros(260 * 640, np.float32), speech)), 50, 25, 10)
        given, found = [], []
        for track_id in range(rng.integers(0, 4)):
            first, length = int(rng.integers(0, 120)), int(rng.integers(5, 140))
            seen = rng.random(length) < 0.9
            seen[[0, -1]] = True
            zeros = np.zeros((length, 160, 160, 3), np.uint8)
            boxes, points, sure = np.zeros((length, 4)), np.zeros((length, 5, 2)), np.zeros(length)
            found += cutter.push(FaceCrops(track_id, first, zeros, seen, boxes, points, sure))  # type: ignore[arg-type]
            given.append((track_id, (np.flatnonzero(seen) + first).tolist()))
        found += cutter.flush()
        cut = [
            [
                one.first_slot,
                len(one.audio_present),
                one.track_id,
                one.frames_present.tolist(),
                one.audio_present.tolist(),
            ]
            for one in found
        ]
        cases.append({"speech": speech.tolist(), "given": given, "windows": cut})
    return cases


def _spec(rng: np.random.Generator) -> ModelSpec:
    points = [OperatingPoint(0.6, 0.4), OperatingPoint(0.7, 0.27), OperatingPoint(0.92, 0.54), OperatingPoint(0.5, 0.3)]
    names = [*HEADS, "video_peak", "audio_peak", "video_alone", "audio_alone"]
    domains = ["", "", "@talking_head", "@still", "@recording"]
    keys = [f"{name}{rng.choice(domains)}" for name in names for _ in range(2)]
    return tiny_spec(
        operating_points={key: points[rng.integers(len(points))] for key in keys if rng.random() < 0.8},
        calibration={key: Calibration(*rng.uniform((0.5, -0.5, 0), (1.5, 0.5, 0.5)).tolist())
                     for key in keys if "alone" not in key and rng.random() < 0.8},
    )  # fmt: skip


def _scores(
    rng: np.random.Generator, first: int, stop: int, track_id: int | None, level: dict[str, float]
) -> list[WindowScore]:
    made = []
    for start, end in window_spans(first, stop, 50, 25):
        near = {head: float(np.float32(value + rng.normal(0, 0.7))) for head, value in level.items()}
        one = score(
            start, end - start, track_id, **near,
            has_video=bool(rng.random() < 0.9), has_audio=bool(rng.random() < 0.8),
            offset=float(np.float32(rng.choice([0.0, 0.3]))),
            frames_present=(rng.random(end - start) < 0.9) & (track_id is not None),
            audio_present=rng.random(end - start) < 0.8,
        )  # fmt: skip
        lines = {
            stream: (near[stream] + np.cumsum(rng.normal(0, 0.4, end - start))).astype(np.float32)
            for stream in ("video", "audio", "sync")
        }
        made.append(replace(one, frame_logits=lines))
    return made


def verdicts(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Windows of several faces under many models, and the verdicts on them."""
    kinds = [MediaKind.VIDEO] * 4 + [MediaKind.IMAGE, MediaKind.AUDIO]
    return [_verdict(rng, kinds[rng.integers(len(kinds))]) for _ in range(700)]


def _verdict(rng: np.random.Generator, kind: MediaKind) -> dict[str, Any]:
    spec = _spec(rng)
    slots = 1 if kind is MediaKind.IMAGE else int(rng.choice([6, 60, 140, 420]))
    found, seen = [], []
    for track_id in range(rng.integers(0, 4) if kind is not MediaKind.AUDIO else 0):
        first = int(rng.integers(0, max(1, slots // 2)))
        stop = int(rng.integers(first + 1, slots + 1))
        height, lip = float(rng.choice([120, 40, 30])), float(rng.choice([0.0, 0.3, 0.6]))
        seen.append(track(track_id, first, stop, height, lip, is_frozen=bool(rng.random() < 0.2)))
        level = {head: float(rng.normal(0, 2)) for head in HEADS}
        found += _scores(rng, first, stop, track_id, level)
    heard = None if kind is MediaKind.IMAGE else [slots, slots, 3, 0, None][rng.integers(5)]
    if kind is MediaKind.AUDIO or rng.random() < 0.3:
        found += _scores(rng, 0, slots, None, {head: float(rng.normal(0, 2)) for head in HEADS})
    coverage, frames = float(rng.choice([1.0, 1.0, 1.0, 0.71, 0.4])), int(slots if rng.random() < 0.8 else 3)
    frames = 0 if kind is MediaKind.AUDIO else frames
    made = analysis(found, seen, slots, kind, heard, coverage, spec, frames=frames, has_audio=heard is not None)
    said = judge(made, spec)
    return {
        "spec": json.loads(spec.to_json()),
        "analysis": {
            "kind": domain_of(made.info),
            "slots": slots,
            "minSlots": made.min_slots,
            "speechSlots": heard,
            "facesLeftOut": 0,
            "tracks": [_track(one) for one in made.tracks],
            "scores": [_score_of(one) for one in found],
            "media": {"frames": frames, "coverage": coverage, "hasVideo": made.info.video is not None,
                      "hasAudio": heard is not None, "pictureSeconds": slots / 25},
        },
        "label": said.label.value,
        "probability_fake": said.probability_fake,
        "streams": {stream: evidence.probability_fake for stream, evidence in said.streams.items()},
        "reasons": [reason.code for reason in said.reasons],
    }  # fmt: skip


def _track(one: TrackSummary) -> dict[str, Any]:
    return {
        "trackId": one.track_id,
        "firstSlot": one.first_slot,
        "stopSlot": one.stop_slot,
        "seenSlots": one.seen_slots,
        "heightPx": one.height_px,
        "lips": one.lips.score,
        "isFrozen": one.is_frozen,
    }


def _score_of(one: WindowScore) -> dict[str, Any]:
    return {
        "firstSlot": one.first_slot,
        "slots": one.slots,
        "trackId": one.track_id,
        "hasVideo": one.has_video,
        "hasAudio": one.has_audio,
        "framesPresent": one.frames_present.astype(int).tolist(),
        "audioPresent": one.audio_present.astype(int).tolist(),
        "logits": one.logits,
        "frameLogits": {stream: line.astype(float).tolist() for stream, line in one.frame_logits.items()},
        "offsetSeconds": one.offset_seconds,
    }


def pictures(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """Pictures as decoders have them, and as RGB by FFmpeg."""
    cases = []
    for index, (space, is_full) in enumerate(((5, False), (1, False), (5, True))):  # BT.601, BT.709, all levels
        planes = [rng.integers(0 if is_full else 16, 236, shape, np.uint8) for shape in ((32, 48), (16, 24), (16, 24))]
        frame = av.VideoFrame.from_ndarray(np.concatenate([one.reshape(-1, 48) for one in planes]), format="yuv420p")
        frame.colorspace, frame.color_range = space, 2 if is_full else 1
        rgb = frame.reformat(format="rgb24", interpolation="BILINEAR").to_ndarray()
        np.concatenate([one.ravel() for one in planes]).tofile(folder / f"picture_{index}.u8")
        rgb.tofile(folder / f"picture_{index}_rgb.u8")
        cases.append({"matrix": "bt709" if space == 1 else None, "full": is_full, "width": 48, "height": 32})
    return cases


def containers(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """The golden clips, and when FFmpeg shows what each of their packets holds."""
    clips = Path(__file__).resolve().parents[1] / "golden" / "clips"
    cases = []
    for path in sorted(clips.iterdir()):
        if path.suffix == ".jpg":
            continue
        with av.open(str(path)) as source:
            streams = [stream for stream in source.streams if stream.type in ("video", "audio")]
            packets: dict[str, list[tuple[float, int]]] = {stream.type: [] for stream in streams}
            for packet in source.demux(streams):
                if packet.size:
                    packets[packet.stream.type].append((float(packet.pts * packet.time_base), packet.size))
            fps = [float(stream.average_rate) for stream in source.streams.video]
        cases.append({"path": str(path), "packets": packets, "fps": fps[0] if fps else None})
    return cases
