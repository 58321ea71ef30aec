# SPDX-License-Identifier: Apache-2.0
"""Copy-synthesis: copies are as long and as loud as their recordings, of every source, and known by their method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tool_module import load_tool

from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore, ShardWriter
from cad.training.audio_head import COPIED

SLOT = 640


def recording(name: str, source: str, slots: int = 50) -> tuple[Clip, Row]:
    sound = np.random.default_rng(len(name)).normal(0, 0.1, slots * SLOT).astype(np.float32)
    present = np.arange(slots) >= 5
    clip = Clip(name, None, None, np.zeros(slots, bool), sound * np.repeat(present, SLOT), present)
    return clip, Row(name, 0, audio_fake=0, source=source, split="train", identity="somebody")


def test_copies_stand_beside_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = load_tool("data/copy_voices")
    systems = {name: (lambda sound: np.append(sound[::-1] / 7, 0.0)) for name in ("a", "b", "c")}
    monkeypatch.setattr(tool, "vocoders", lambda: systems)
    with ShardWriter(tmp_path / "shards", "made") as writer:
        for clip, row in [*(recording(f"{n}.wav", "large") for n in range(5)), recording("one.wav", "small")]:
            writer.write(clip, row.as_text())
        writer.write(*(lambda clip, row: (clip, row.as_text()))(*recording("short.wav", "tiny", slots=10)))
    words = [str(tmp_path / "shards"), "--out", str(tmp_path / "copies"), "--most", "2", "--seconds", "1"]
    assert tool.main(words) == 0
    store, genuine = ClipStore(tmp_path / "copies"), ClipStore(tmp_path / "shards")
    assert len(store) == 6 and sum(entry.row["source"] == "small" for entry in store) == 2
    for entry in store:
        assert entry.row["method"].startswith(COPIED) and entry.row["audio_fake"] == "1" and entry.slots == 25
        copy = store.read(entry.key).audio
        given = genuine.read(entry.key.split("/", 1)[1]).audio
        assert copy is not None and given is not None
        part = given[5 * SLOT : 30 * SLOT]
        np.testing.assert_allclose(np.square(copy).mean(), np.square(part).mean(), rtol=0.01)
        assert np.corrcoef(copy, part[::-1])[0, 1] > 0.99
    before = {entry.key for entry in store}
    assert tool.main(words) == 0 and {entry.key for entry in ClipStore(tmp_path / "copies")} == before
