# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import pytest
from layouts import every_layout

from cad.data.benchmarks.registry import ADAPTERS, adapter
from cad.errors import DataError, OptionError

ROOT = Path(__file__).resolve().parents[2]


def test_every_set_has_a_layout():
    assert set(ADAPTERS) == {layout.adapter for layout in every_layout()}


def test_every_set_has_a_card_and_a_line_in_the_table():
    table = (ROOT / "datasets/README.md").read_text(encoding="utf-8")
    cards = dict(re.findall(r"\[`(\w+)`\]\((\w+/README\.md)\)", table))
    assert set(cards) == set(ADAPTERS)
    for name, card in cards.items():
        title = (ROOT / "datasets" / card).read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith("# ") and f"`{name}`" in title


def test_unknown_adapter_names_the_nearest():
    with pytest.raises(OptionError, match=r"did you mean .*fakeavceleb"):
        adapter("FakeAVCelb")


def test_broken_index(tmp_path):
    (tmp_path / "metadata.json").write_text("{")
    with pytest.raises(DataError, match=r"no clip of LAV-DF was found; 1 problems, the first: metadata.json, entry 1"):
        adapter("lavdf").scan(tmp_path)
    (tmp_path / "meta_data.csv").write_text("source,path\n1,2\n")
    with pytest.raises(DataError, match="lacks the column"):
        adapter("fakeavceleb").scan(tmp_path)
