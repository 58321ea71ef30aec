# SPDX-License-Identifier: Apache-2.0
"""The benchmark of codings runs on any manifest, and its figures hang together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tool_module import load_tool

TALKING = Path(__file__).resolve().parents[1] / "golden" / "clips" / "talking.mp4"


@pytest.mark.slow
def test_coded_crops_are_compared_with_uncoded_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("real.mp4", "fake.mp4"):
        shutil.copy(TALKING, tmp_path / name)
    manifest = tmp_path / "made.csv"
    manifest.write_text(
        "path,label,video_fake,audio_fake,identity,source,split\n"
        "real.mp4,real,0,0,ann,page,val\nfake.mp4,fake,1,1,bob,page,val\n"
    )
    words = ["shard_coding", str(manifest), "--folder", str(tmp_path / "shards"), "--samples", "2", "--jobs", "1"]
    assert load_tool("bench").main(words) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"] == 2 and figures["seconds"] == pytest.approx(8, abs=0.2)
    sizes = figures["bytes_per_second"]
    assert sizes["jpeg"] < 300_000 < 2_700_000 < sizes["raw"]
    coded = figures["coded_bytes_per_second"]
    assert coded["pictures"] + coded["masks"] == pytest.approx(coded["most_of_a_source"])
    assert figures["crops"]["psnr_least_db"] > 38 and figures["crops"]["psnr_mean_db"] < 60
    assert len(figures["codings"]) == 7
    # The same clip twice: ties are worth one half, and the bootstrap cannot tell the codings apart.
    assert figures["auc"]["video"]["raw"].startswith("0.5000") and figures["ok"] is True
