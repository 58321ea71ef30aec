# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from tiny_model import write_weights

from cad.errors import WeightsIntegrityError, WeightsNotFoundError
from cad.weights import default_detector, find_entry, list_entries, read_verified
from cad.weights.registry import PACKAGE_FOLDER


@pytest.fixture
def shelf(tmp_path):
    write_weights(tmp_path / "cad_small_1", b"one")
    write_weights(tmp_path / "cad_small_2", b"two", default=True)
    write_weights(tmp_path / "cad_small_3", b"three")
    write_weights(tmp_path / "face_1", b"face", kind="face")
    return tmp_path


def test_entries_are_listed_by_name_and_kind(shelf):
    assert [entry.name for entry in list_entries(folder=shelf)] == [
        "cad_small_1",
        "cad_small_2",
        "cad_small_3",
        "face_1",
    ]
    assert [entry.name for entry in list_entries("face", shelf)] == ["face_1"]


def test_the_default_is_the_one_marked_else_the_last(shelf):
    assert default_detector(shelf).name == "cad_small_2"
    manifest = shelf / "cad_small_2" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("true", "false"))
    assert default_detector(shelf).name == "cad_small_3"


def test_an_unknown_name_lists_what_there_is_the_nearest_first(shelf):
    with pytest.raises(WeightsNotFoundError, match="there are: cad_small_2, "):
        find_entry("cad_smal_2", shelf)


@pytest.mark.parametrize("name", ["../cad_small_1", "..", "/etc", "a/b", ""])
def test_a_name_never_leaves_the_folder(shelf, name):
    with pytest.raises(WeightsNotFoundError):
        find_entry(name, shelf / "cad_small_1")


def test_a_folder_of_ones_own_is_used_by_its_path(shelf):
    assert read_verified(find_entry(str(shelf / "cad_small_1"))) == b"one"


def test_an_onnx_file_is_used_by_itself(shelf):
    entry = find_entry(str(shelf / "cad_small_1" / "model.onnx"))
    assert (entry.name, entry.kind, entry.manifest) == ("model", "detector", {})
    assert read_verified(entry) == b"one"
    with pytest.raises(WeightsNotFoundError, match="no weights called"):
        find_entry(str(shelf / "cad_small_1" / "other.onnx"))


def test_bytes_are_checked_every_time(shelf):
    assert read_verified(find_entry(str(shelf / "cad_small_1"))) == b"one"
    (shelf / "cad_small_1" / "model.onnx").write_bytes(b"won")
    with pytest.raises(WeightsIntegrityError, match="sha256"):
        read_verified(find_entry(str(shelf / "cad_small_1")))


def test_a_missing_file_is_named(shelf):
    (shelf / "cad_small_1" / "model.onnx").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"model\.onnx"):
        read_verified(find_entry(str(shelf / "cad_small_1")))


@pytest.mark.parametrize(
    "manifest",
    [
        "{",
        "[]",
        "{}",
        '{"file": "model.onnx", "sha256": "", "kind": "poem"}',
        '{"file": "../x", "sha256": "", "kind": "face"}',
    ],
)
def test_a_bad_manifest_is_an_integrity_error_that_names_it(shelf, manifest):
    (shelf / "face_1" / "manifest.json").write_text(manifest)
    with pytest.raises(WeightsIntegrityError, match=r"manifest\.json"):
        list_entries(folder=shelf)


def test_no_detector_at_all_is_said(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="no detector"):
        default_detector(tmp_path)


def test_everything_in_the_package_has_the_hash_and_the_card_that_it_claims():
    for entry in list_entries():
        assert read_verified(find_entry(entry.name)), entry.name
        assert entry.card.is_file(), f"{entry.name} has no model card"
        assert len(json.loads((entry.path.parent / "manifest.json").read_text())["sha256"]) == 64
    folders = {path.parent.name for path in PACKAGE_FOLDER.glob("*/*.onnx")}
    assert folders == {entry.name for entry in list_entries()}, "an ONNX file without a manifest"
