# SPDX-License-Identifier: Apache-2.0
"""What lies under a root, as disks of several systems keep it."""

from __future__ import annotations

import os
import unicodedata

import pytest
from layouts.layout import touch
from requirements import needs

from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.errors import DataError


def test_files_and_folders_in_order_without_what_systems_leave_behind(tmp_path):
    touch(tmp_path, "b/2.mp4", "b/1.MP4", "a.csv", ".hidden/3.mp4", "__MACOSX/b/._2.mp4", "b/.DS_Store", "b0/4.mp4")
    tree = Tree(tmp_path)
    assert tree.files == ("a.csv", "b/1.MP4", "b/2.mp4", "b0/4.mp4") and tree.folders == ("b", "b0")
    assert tree.under("b") == tree.under("B", VIDEO_SUFFIXES) == ["b/1.MP4", "b/2.mp4"]
    assert tree.under("") == ["b/1.MP4", "b/2.mp4", "b0/4.mp4"] and tree.under("c") == []
    with pytest.raises(DataError, match="is not a folder"):
        Tree(tmp_path / "absent")


def test_paths_are_found_in_another_case_and_composition(tmp_path):
    composed, apart = unicodedata.normalize("NFC", "é.mp4"), unicodedata.normalize("NFD", "é.mp4")
    touch(tmp_path, "Train/A.mp4", "Train/a.mp4", f"Train/{apart}", "Train/B.mp4")
    tree = Tree(tmp_path)
    assert tree.find("train/b.MP4") == tree.find("Train\\B.mp4") == tree.find("./Train/B.mp4") == "Train/B.mp4"
    assert tree.find("Train/a.mp4") == "Train/a.mp4" and tree.find("Train/A.mp4") == "Train/A.mp4"
    # Two that differ in case alone: neither is meant by a third spelling.
    assert tree.find("train/A.mp4") is None
    assert tree.find(f"Train/{composed}") == f"Train/{apart}"
    assert tree.find("train/") == "Train" and tree.find("Train/c.mp4") is None


def test_patterns_ask_for_folders_and_what_is_no_media(tmp_path):
    touch(tmp_path, "x/Meta.csv", "meta.csv", "x/y/clip.mp4", "x/y/z/meta.csv")
    tree = Tree(tmp_path)
    assert tree.matching("meta.csv") == ["meta.csv"]
    assert tree.matching("*/meta.csv") == ["x/Meta.csv", "x/y/z/meta.csv"]
    assert tree.matching("*/") == ["x", "x/y", "x/y/z"] and tree.matching("*.mp4") == []


def test_links_are_followed_and_loops_are_not(tmp_path):
    disk, root = tmp_path / "disk", tmp_path / "root"
    touch(disk, "1.mp4")
    touch(root, "a/2.mp4")
    (root / "far").symlink_to(disk)
    (root / "a/up").symlink_to(root)
    (disk / "back").symlink_to(root)
    (root / "a/self").symlink_to(".")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert set(Tree(root).files) == {"a/2.mp4", "far/1.mp4"}


@needs("linux")  # others take no such name
def test_names_that_are_not_utf8_are_told(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / os.fsdecode(b"b\xe9.wav")).write_bytes(b"x")
    tree = Tree(tmp_path)
    assert tree.files == ("a.wav",)
    assert [(problem.kind, problem.path) for problem in tree.problems] == [("bad_name", r"'b\udce9.wav'")]


def test_folders_that_may_not_be_read_are_told(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "shut/b.wav")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    tree = Tree(tmp_path)
    assert tree.files == ("a.wav",)
    assert [(problem.kind, problem.path) for problem in tree.problems] == [("unreadable_folder", "shut/")]
