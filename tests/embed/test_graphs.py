# SPDX-License-Identifier: Apache-2.0
"""The graphs of the embedding kit are sound, and say what the package's own functions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from embedded_graphs import (
    MODEL,
    Graph,
    frames_of,
    in_onnx_runtime,
    in_openvino,
    photograph,
    pictures_with_faces,
    placed_points,
    window_of_faces,
)
from requirements import needs

from cad.faces.active_speaker import MOUTH_PX, UPPER_PX, UPPER_SHARE, _change, _patch
from cad.faces.align import align_face
from cad.faces.cuts import coarse_luma
from cad.faces.finder import FaceFinder
from cad.spec import METADATA_KEY, OUTPUTS
from cad.weights import find_entry

pytestmark = needs("train", "weights")
OWN = ("face_find", "face_look", "face_crop", "picture_coarse", "lip_motion", "cad_full")
PICTURES = ("photograph", "large", "small", "tilted", "dark", "several", "talking")
#: By how much OpenVINO's answers may differ from ONNX Runtime's. Points of new faces start from places that are rounded
#: to a quarter pixel, where a difference in the last digit decides.
OPENVINO_POINTS_PX, OPENVINO_LOGITS, OPENVINO_LEVELS = 1.0, 0.01, 2


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cad.export.embedding.kit import write_kit

    folder = tmp_path_factory.mktemp("kit") / "kit"
    write_kit(MODEL, folder)
    return folder


@pytest.fixture(scope="module")
def graphs(kit: Path) -> dict[str, Graph]:
    return {name: in_onnx_runtime(kit / f"{name}.onnx") for name in OWN}


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return pictures_with_faces()


@pytest.mark.parametrize("name", OWN)
def test_a_graph_is_sound_standard_and_of_versions_that_old_runtimes_read(kit: Path, name: str) -> None:
    model = onnx.load(kit / f"{name}.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert len(inferred.graph.value_info) > 0
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 20)]
    assert model.ir_version <= 10 and not model.functions
    assert {one.domain for one in model.graph.node} == {""}
    names = [node.name for node in model.graph.node]
    assert all(names) and len(set(names)) == len(names)
    assert not any(one.data_location for one in model.graph.initializer)


def test_crops_are_those_of_the_package(graphs: dict[str, Graph], rng: np.random.Generator) -> None:
    picture = photograph()
    points = placed_points(rng, picture, 24)
    crops = graphs["face_crop"](picture=picture, points=points)["crops"]
    expected = np.stack([align_face(picture, one) for one in points])
    away = np.abs(crops.astype(int) - expected)
    assert crops.dtype == np.uint8 and expected.std() > 20
    assert away.max() <= 2 and away.mean(axis=(1, 2, 3)).max() < 0.01


@pytest.mark.parametrize("name", PICTURES)
def test_looks_see_what_the_finder_sees(
    graphs: dict[str, Graph], finder: FaceFinder, pictures: dict[str, np.ndarray], name: str, rng: np.random.Generator
) -> None:
    picture = pictures[name]
    found = finder.find(picture)
    places = [face.points_px + rng.normal(0, 2, 2).astype(np.float32) for face in found]
    assert places
    seen = graphs["face_look"](picture=picture, points=np.stack(places))
    for index, face in enumerate(finder.refine(picture, places, 0.0)):
        assert face is not None
        assert np.abs(seen["points_seen"][index] - face.points_px).max() < 0.05
        assert np.abs(seen["boxes"][index] - face.box_px).max() < 0.1
        assert abs(seen["scores"][index] - face.score) < 1e-3


@pytest.mark.parametrize("long_side", [320, 640])
@pytest.mark.parametrize("name", PICTURES)
def test_new_faces_are_those_of_the_finder_at_one_size(
    graphs: dict[str, Graph], finder: FaceFinder, pictures: dict[str, np.ndarray], name: str, long_side: int
) -> None:
    picture = pictures[name]
    faces = finder.confirm(picture, finder.search(picture, min(1.0, long_side / max(picture.shape[:2]))))
    found = graphs["face_find"](picture=picture, long_side=np.array(long_side))
    assert len(found["scores"]) == len(faces) and (len(faces) > 0 or name == "small")
    assert (np.diff(found["scores"]) <= 0).all()
    for face in faces:
        away = np.abs(found["points"] - face.points_px).max(axis=(1, 2))
        best = int(away.argmin())
        # A place that is rounded to another quarter of a pixel moves what is seen there.
        assert away[best] < 1.0 and np.abs(found["points"][best] - face.points_px).mean() < 0.3
        assert np.abs(found["boxes"][best] - face.box_px).max() < 1.5
        assert abs(found["scores"][best] - face.score) < 1e-3


def test_a_picture_without_faces_and_no_places_give_nothing(graphs: dict[str, Graph]) -> None:
    nobody = frames_of("no_face.mp4", 1)[0]
    none = np.zeros((0, 5, 2), dtype=np.float32)
    found = graphs["face_find"](picture=nobody, long_side=np.array(320))
    assert found["boxes"].shape == (0, 4) and found["points"].shape == (0, 5, 2) and found["scores"].shape == (0,)
    seen = graphs["face_look"](picture=nobody, points=none)
    assert [seen[name].shape for name in ("points_seen", "boxes", "scores")] == [(0, 5, 2), (0, 4), (0,)]
    assert graphs["face_crop"](picture=nobody, points=none)["crops"].shape == (0, 160, 160, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (31, 20), (33, 700)])
def test_pictures_of_odd_sizes_are_searched(graphs: dict[str, Graph], size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 90, dtype=np.uint8)
    assert len(graphs["face_find"](picture=picture, long_side=np.array(320))["scores"]) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, 1e30])
def test_points_that_are_none_do_no_harm(graphs: dict[str, Graph], bad: float) -> None:
    picture = photograph()
    points = np.full((2, 5, 2), bad, dtype=np.float32)
    points[1] = [[60, 60], [100, 60], [80, 83], [64, 106], [97, 106]]
    crops, alone = (graphs["face_crop"](picture=picture, points=given)["crops"] for given in (points, points[1:]))
    assert np.abs(crops[1].astype(int) - alone[0]).max() <= 1
    seen = graphs["face_look"](picture=picture, points=points)
    assert seen["scores"][0] < 0.5


@pytest.mark.parametrize("size", [(320, 320), (360, 640), (33, 57), (5, 3), (400, 1), (1, 1), (2, 2)])
def test_coarse_brightness_is_that_of_the_package(
    graphs: dict[str, Graph], size: tuple[int, int], rng: np.random.Generator
) -> None:
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    coarse, expected = graphs["picture_coarse"](picture=picture)["coarse"], coarse_luma(picture)
    assert coarse.shape == expected.shape and np.abs(coarse - expected).max() < 1e-3


def test_lips_move_as_in_the_package(graphs: dict[str, Graph], rng: np.random.Generator) -> None:
    picture = photograph()
    crops = np.stack([np.roll(picture[:160, 80:240], index // 2, axis=0) for index in range(8)])
    crops = np.clip(crops + rng.normal(0, 3, crops.shape), 0, 255).astype(np.uint8)
    mouths, uppers = ([_patch(crop, place) for crop in crops] for place in (MOUTH_PX, UPPER_PX))
    expected = [
        _change(mouths[index], mouths[index - 1]) - UPPER_SHARE * _change(uppers[index], uppers[index - 1])
        for index in range(1, len(crops))
    ]
    motion = graphs["lip_motion"](crops=crops)["motion"]
    assert np.abs(motion - expected).max() < 1e-4 and np.ptp(expected) > 0.1
    assert all(graphs["lip_motion"](crops=crops[:count])["motion"].shape == (0,) for count in (0, 1))


@pytest.mark.parametrize(("faces", "slots"), [(1, 12), (2, 25)])
def test_one_graph_goes_from_pictures_to_the_logits_of_the_detector(
    graphs: dict[str, Graph], kit: Path, faces: int, slots: int
) -> None:
    window = window_of_faces(faces, slots)
    logits = graphs["cad_full"](**window)
    present = window["frames_present"]
    crops = np.zeros((faces, slots, 160, 160, 3), dtype=np.uint8)
    for face, slot in zip(*np.nonzero(present), strict=True):
        crops[face, slot] = align_face(window["pictures"][slot], window["points"][face, slot])
    expected = in_onnx_runtime(find_entry(MODEL).path)(
        frames=crops,
        audio=np.tile(window["audio"], (faces, 1)),
        frames_present=present,
        audio_present=np.tile(window["audio_present"], (faces, 1)),
    )
    assert set(logits) == set(OUTPUTS)
    for name in OUTPUTS:
        assert logits[name].shape == expected[name].shape
        assert np.abs(logits[name] - expected[name]).max() < 0.01, name


def test_the_full_graph_keeps_the_spec_and_the_stored_precision(kit: Path) -> None:
    full, packaged = (onnx.load(file) for file in (kit / "cad_full.onnx", find_entry(MODEL).path))
    spec = {one.key: one.value for one in packaged.metadata_props}[METADATA_KEY]
    assert {one.key: one.value for one in full.metadata_props} == {METADATA_KEY: spec}
    kinds = [sorted(one.data_type for one in model.graph.initializer if len(one.raw_data) > 10_000)
             for model in (full, packaged)]  # fmt: skip
    assert kinds[0].count(onnx.TensorProto.INT8) == kinds[1].count(onnx.TensorProto.INT8) > 0
    assert kinds[0].count(onnx.TensorProto.FLOAT) == kinds[1].count(onnx.TensorProto.FLOAT)


@needs("openvino")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["face_look", "face_find", "face_crop"])
def test_openvino_finds_and_cuts_the_same_faces(
    graphs: dict[str, Graph], kit: Path, pictures: dict[str, np.ndarray], finder: FaceFinder, name: str
) -> None:
    graph = in_openvino(kit / f"{name}.onnx")
    none = np.zeros((0, 5, 2), dtype=np.float32)
    for key, picture in pictures.items():
        places = np.stack([face.points_px for face in finder.find(picture)] or [*none])
        inputs = [{"long_side": np.array(640)}] if name == "face_find" else [{"points": places}, {"points": none}]
        for given in inputs:
            ours, theirs = (run(picture=picture, **given) for run in (graphs[name], graph))
            for output, values in ours.items():
                assert theirs[output].shape == values.shape, (key, output)
                limit = OPENVINO_LEVELS if output == "crops" else OPENVINO_POINTS_PX
                limit = 1e-3 if output == "scores" else limit
                assert np.abs(theirs[output].astype(np.float64) - values).max(initial=0) <= limit, (key, output)


@needs("openvino")
@pytest.mark.slow
def test_openvino_gives_the_same_brightness_motion_and_logits(graphs: dict[str, Graph], kit: Path) -> None:
    picture = photograph()
    coarse = in_openvino(kit / "picture_coarse.onnx")(picture=picture)["coarse"]
    assert np.abs(coarse - graphs["picture_coarse"](picture=picture)["coarse"]).max() < 1e-3
    crops = np.stack([np.roll(picture[:160, 80:240], index, axis=0) for index in range(5)])
    motion = in_openvino(kit / "lip_motion.onnx")(crops=crops)["motion"]
    assert np.abs(motion - graphs["lip_motion"](crops=crops)["motion"]).max() < 1e-3
    window = window_of_faces(2, 25)
    ours, theirs = (run(**window) for run in (graphs["cad_full"], in_openvino(kit / "cad_full.onnx")))
    for name in OUTPUTS:
        assert np.abs(ours[name] - theirs[name]).max() < OPENVINO_LOGITS, name


@needs("openvino")
@pytest.mark.slow
def test_openvino_runs_the_detector_that_multiplies_in_integers(tmp_path: Path) -> None:
    from cad.export.embedding.full import full_graph
    from cad.export.embedding.nets import packaged_net

    file = tmp_path / "cad_full.onnx"
    onnx.save(full_graph(packaged_net("cad_base_1")), file)
    window = window_of_faces(1, 12)
    ours, theirs = (run(file)(**window) for run in (in_onnx_runtime, in_openvino))
    # What int8 makes of a difference in the last digit: the packaged file by itself moves as much between releases.
    limits = {"audio_logit": 0.01, "sync_logit": 0.01, "video_logit": 0.5}
    assert all(np.abs(ours[name] - theirs[name]).max() < limit for name, limit in limits.items())
