# SPDX-License-Identifier: Apache-2.0
"""A file that somebody changes while it is read gets no verdict and no sha256: nobody could say whose they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from made_media import DARK, RED, stand_in_for_faces, talk, write_video, write_wav

from cad import DetectOptions, Detector, Label, Verdict
from cad.detector import Progress
from cad.errors import MediaChangedError, MediaUnreadableError
from cad.media.input import InputFile
from cad.media.reader import MediaReader, open_media
from cad.media.records import Outcome

SECONDS = 3.0


@pytest.fixture(scope="module")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("real") / "a.mp4", SECONDS, DARK)


@pytest.fixture(scope="module")
def fake_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("fake") / "a.mp4", SECONDS, RED)


@pytest.fixture
def judge(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """Judge a file to which something is done at a stage of its reading."""
    stand_in_for_faces(monkeypatch)

    def judged(path: Path, act: Callable[[Path], object], stage: str = "picture") -> Verdict:
        done: list[str] = []

        def on_progress(progress: Progress) -> None:
            if progress.stage == stage and not done:
                done.append(stage)
                act(path)

        with Detector(DetectOptions(model=str(tiny_weights)), on_progress) as detector:
            verdict = detector.detect(path)
        assert done, "it was read before anything was done to it"
        return verdict

    return judged


def is_told_as_changed(verdict: Verdict) -> bool:
    return (
        verdict.label is Label.INCONCLUSIVE
        and verdict.media.outcome == "changed_while_reading"
        and verdict.media.sha256 == ""
        and verdict.reasons[0].code == "changed_while_reading"
        and "judge the copy" in verdict.reasons[0].text
    )


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(0, 10**18))  # long ago, so that no clock is too coarse to tell
    return path


def replace_it(path: Path) -> None:
    other = path.with_name("other.mp4")
    other.write_bytes(path.read_bytes()[::-1])
    other.rename(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(9))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def rewrite(path: Path) -> None:
    """Write other bytes of the same number, and set the old time of modification again."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns


ACTS: dict[str, Callable[[Path], object]] = {
    "replaced": replace_it,
    "removed": Path.unlink,
    "grows": append,
    "truncated": truncate,
    "rewritten": rewrite,
    "touched": Path.touch,
    "rights": lambda path: path.chmod(0o600),
    "linked": lambda path: path.with_name("link.mp4").hardlink_to(path),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("stage", ["read", "picture"])
def test_a_file_that_is_changed_gets_no_verdict(
    judge: Callable[..., Verdict], real_clip: Path, tmp_path: Path, act: Callable[[Path], object], stage: str
) -> None:
    path = put(tmp_path / "a.mp4", real_clip.read_bytes())
    if stage == "read" and act in (truncate, rewrite):  # then nothing of it decodes
        with pytest.raises(MediaChangedError, match="judge the copy"):
            judge(path, act, stage)
    else:
        assert is_told_as_changed(judge(path, act, stage))


def test_fake_pictures_are_not_charged_to_a_file_that_had_others(
    judge: Callable[..., Verdict], real_clip: Path, fake_clip: Path, tmp_path: Path
) -> None:
    path = put(tmp_path / "a.mp4", fake_clip.read_bytes())
    assert is_told_as_changed(judge(path, lambda path: path.write_bytes(real_clip.read_bytes())))


def test_who_only_reads_changes_nothing(judge: Callable[..., Verdict], real_clip: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "a.mp4", real_clip.read_bytes())
    link = tmp_path / "latest.mp4"
    link.symlink_to(path)

    def read_and_lead_the_link_elsewhere(link: Path) -> None:
        path.read_bytes()
        link.unlink()
        link.symlink_to("nowhere")

    verdict = judge(link, read_and_lead_the_link_elsewhere)
    assert verdict.label is Label.REAL and len(verdict.media.sha256) == 64


def test_sound_alone_is_told_too(judge: Callable[..., Verdict], tmp_path: Path) -> None:
    path = put(tmp_path / "a.wav", write_wav(tmp_path / "b.wav", talk(SECONDS)).read_bytes())
    assert is_told_as_changed(judge(path, append, "sound"))


@pytest.mark.parametrize("cut", [truncate, lambda path: os.truncate(path, 0)], ids=["a third", "nothing"])
def test_what_is_cut_off_before_anything_is_decoded_is_named(
    real_clip: Path, tmp_path: Path, cut: Callable[[Path], object]
) -> None:
    path = put(tmp_path / "a.mp4", real_clip.read_bytes())
    with open_media(path) as reader:
        cut(path)
        with pytest.raises(MediaChangedError, match="judge the copy"):
            list(reader.video_chunks())
        assert reader.report.outcome is Outcome.CHANGED and reader.info.sha256 == ""
    assert reader.report.outcome is Outcome.CHANGED and reader.info.sha256 == ""


def test_a_recording_in_progress_that_cannot_be_read_yet_is_named(
    real_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.mp4", real_clip.read_bytes()[:3000])  # its index comes last
    with pytest.raises(MediaUnreadableError):
        open_media(path)
    opened = MediaReader._open

    def open_while_it_grows(reader: MediaReader) -> object:
        append(path)
        return opened(reader)

    monkeypatch.setattr(MediaReader, "_open", open_while_it_grows)
    with pytest.raises(MediaChangedError, match="judge the copy"):
        open_media(path)


def test_what_happens_to_a_file_after_it_was_read_is_not_told(real_clip: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "a.mp4", real_clip.read_bytes())
    file = InputFile(os.open(path, os.O_RDONLY), path)
    file.close()
    append(path)
    assert not file.has_changed()
