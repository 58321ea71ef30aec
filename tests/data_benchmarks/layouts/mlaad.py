# SPDX-License-Identifier: Apache-2.0
"""MLAAD: synthetic speech alone, and with M-AILABS beside it."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_lines

HEAD = (
    "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript"
)  # fmt: skip
BOOK = "by_book/female/eva_k/toten_seelen/wavs/toten_seelen_01_f000001.wav"
ENGLISH = "by_book/male/elliot_miller/poisoned_pen/wavs/poisoned_pen_01_f000002.wav"
GLOW = "fake/de/tts_models_de_thorsten_vits"
BARK = "fake/zh-cn/suno_bark"


def alone(root: Path) -> None:
    """A transcript with one quotation mark, and rows whose path has another language than their folder."""
    write_lines(root / GLOW / "meta.csv", [
        HEAD,
        f"./{GLOW}/a.wav|de_DE/{BOOK}|de|True|4.25|thorsten|tts_models/de/thorsten/vits|VITS|\"Nein, sagte er.",
        f"./{GLOW}/b.wav|de_DE/{BOOK}|de|True|3.5|thorsten|tts_models/de/thorsten/vits|VITS|Ja.",
    ])  # fmt: skip
    write_lines(root / BARK / "meta.csv", [
        f"{HEAD}|reference_speaker",
        f"fake/zh/suno_bark/c.wav|en_US/{ENGLISH}|zh-cn|False|2.0|unknown|suno/bark|Bark|Hao.|v2/zh_speaker_1",
    ])  # fmt: skip
    touch(root, f"{GLOW}/a.wav", f"{GLOW}/b.wav", f"{BARK}/c.wav")


def with_originals(root: Path) -> None:
    alone(root)
    touch(root, f"real/de_DE/{BOOK}", f"M-AILABS/en_US/{ENGLISH}")


def fake(path, method, category, seconds, original, language, data, is_original, speaker=""):
    return Row(
        path, 1, -1, 1, method, category, source_identity=speaker, pair_id=original, source=data, language=language,
        duration_seconds=seconds, note=f"is_original_language={is_original}",
    )  # fmt: skip


VITS = "tts_models/de/thorsten/vits"
ALONE = (
    fake(f"{GLOW}/a.wav", VITS, "VITS", 4.25, f"de_DE/{BOOK}", "de", "thorsten", True),
    fake(f"{GLOW}/b.wav", VITS, "VITS", 3.5, f"de_DE/{BOOK}", "de", "thorsten", True),
    fake(f"{BARK}/c.wav", "suno/bark", "Bark", 2.0, f"en_US/{ENGLISH}", "zh-cn", "unknown", False, "v2/zh_speaker_1"),
)


def real(path, reader, original, language):
    return Row(path, 0, -1, 0, "real", "real", reader, pair_id=original, source="M-AILABS", language=language)


WITH_ORIGINALS = (
    *ALONE,
    real(f"real/de_DE/{BOOK}", "eva_k", f"de_DE/{BOOK}", "de"),
    real(f"M-AILABS/en_US/{ENGLISH}", "elliot_miller", f"en_US/{ENGLISH}", "en"),
)

LAYOUTS = (
    Layout(
        "alone", "mlaad", alone, ALONE, missing=f"{GLOW}/b.wav", extra=f"{GLOW}/z.wav", folder="fake",
        # Each model brings its own index: what is not extracted, nobody knows of.
        half=BARK, half_problems={},
        malformed=(
            Malformed(f"{GLOW}/meta.csv", "3.5|thorsten", "long|thorsten", f"{GLOW}/meta.csv, line 3",
                      (f"{GLOW}/b.wav",)),
            Malformed(f"{GLOW}/meta.csv", f"./{GLOW}/b.wav|", "|", f"{GLOW}/meta.csv, line 3", (f"{GLOW}/b.wav",)),
        ),
    ),
    Layout(
        "with_originals", "mlaad", with_originals, WITH_ORIGINALS, missing=f"{BARK}/c.wav",
        extra="real/de_DE/other.wav", folder="M-AILABS", half="M-AILABS", half_problems={},
    ),
)  # fmt: skip
