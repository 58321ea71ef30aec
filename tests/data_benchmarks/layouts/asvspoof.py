# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 2019 and 2021: as released, as the loaders of AASIST and SSL_Anti-spoofing want them, and all together."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_lines

LA19 = "LA/ASVspoof2019_LA"
KEY = "trial_metadata.txt"


def row(path, label, method, speaker, split, dataset, category="", note="", source="", language="en"):
    return Row(
        path, label, -1, label, method, category, speaker, split=split, dataset=dataset, note=note, source=source,
        language=language,
    )  # fmt: skip


def la_2019(root: Path, protocols: str = f"{LA19}_cm_protocols", audio: str = LA19) -> None:
    """The README's tree; protocols of speaker verification beside those of the countermeasures."""
    write_lines(root / protocols / "ASVspoof2019.LA.cm.train.trn.txt", [
        "LA_0079 LA_T_1138215 - - bonafide", "LA_0079 LA_T_1271820 - A01 spoof",
    ])  # fmt: skip
    write_lines(root / protocols / "ASVspoof2019.LA.cm.dev.trl.txt", [
        "LA_0069 LA_D_1047731 - - bonafide", "LA_0070 LA_D_1125976 - A06 spoof",
    ])  # fmt: skip
    write_lines(root / protocols / "ASVspoof2019.LA.cm.eval.trl.txt", [
        "LA_0039 LA_E_2834763 - A11 spoof", "LA_0014 LA_E_8877452 - - bonafide",
    ])  # fmt: skip
    write_lines(root / "LA/ASVspoof2019_LA_asv_protocols/ASVspoof2019.LA.asv.eval.gi.trl.txt", [
        "LA_0015 LA_E_2834763 A11 spoof",
    ])  # fmt: skip
    for part, *names in (
        ("train", "LA_T_1138215", "LA_T_1271820"), ("dev", "LA_D_1047731", "LA_D_1125976"),
        ("eval", "LA_E_2834763", "LA_E_8877452"),
    ):  # fmt: skip
        touch(root, *(f"{audio}_{part}/flac/{name}.flac" for name in names))


def la_2019_rows(audio: str = LA19) -> tuple[Row, ...]:
    return (
        row(f"{audio}_train/flac/LA_T_1138215.flac", 0, "real", "LA_0079", "train", "asvspoof2019_la"),
        row(f"{audio}_train/flac/LA_T_1271820.flac", 1, "A01", "LA_0079", "train", "asvspoof2019_la"),
        row(f"{audio}_dev/flac/LA_D_1047731.flac", 0, "real", "LA_0069", "val", "asvspoof2019_la"),
        row(f"{audio}_dev/flac/LA_D_1125976.flac", 1, "A06", "LA_0070", "val", "asvspoof2019_la"),
        row(f"{audio}_eval/flac/LA_E_2834763.flac", 1, "A11", "LA_0039", "test", "asvspoof2019_la"),
        row(f"{audio}_eval/flac/LA_E_8877452.flac", 0, "real", "LA_0014", "test", "asvspoof2019_la"),
    )


def pa_2019(root: Path) -> None:
    write_lines(root / "PA/ASVspoof2019_PA_cm_protocols/ASVspoof2019.PA.cm.train.trn.txt", [
        "PA_0079 PA_T_0000001 aaa - bonafide", "PA_0095 PA_T_0005731 aab AA spoof",
    ])  # fmt: skip
    touch(root, *(f"PA/ASVspoof2019_PA_train/flac/{name}.flac" for name in ("PA_T_0000001", "PA_T_0005731")))


PA_2019 = (
    row("PA/ASVspoof2019_PA_train/flac/PA_T_0000001.flac", 0, "real", "PA_0079", "train", "asvspoof2019_pa", "aaa"),
    row("PA/ASVspoof2019_PA_train/flac/PA_T_0005731.flac", 1, "AA", "PA_0095", "train", "asvspoof2019_pa", "aab"),
)


def la_2021(root: Path) -> None:
    """The archive has the trials without their classes; the keys have a file of the same name for verification."""
    write_lines(root / "keys/LA/CM" / KEY, [
        "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval",
        "LA_0020 LA_E_7294490 g722 loc_tx bonafide bonafide notrim eval",
        "LA_0009 LA_E_8589971 alaw loc_tx A07 spoof notrim progress",
        "LA_0012 LA_E_2834763 none - bonafide bonafide trim hidden",
    ])  # fmt: skip
    write_lines(root / "keys/LA/ASV" / KEY, [
        "LA_0007-alaw-ita_tx LA_E_9332881-alaw-ita_tx alaw ita_tx A07 spoof notrim eval",
        "LA_0007-alaw-ita_tx LA_E_7294490-alaw-ita_tx alaw ita_tx bonafide nontarget notrim eval",
    ])  # fmt: skip
    names = ["LA_E_9332881", "LA_E_7294490", "LA_E_8589971", "LA_E_2834763"]
    write_lines(root / "ASVspoof2021_LA_eval/ASVspoof2021.LA.cm.eval.trl.txt", names)
    touch(root, *(f"ASVspoof2021_LA_eval/flac/{name}.flac" for name in names))


def la21(name: str, label: int, method: str, speaker: str, split: str, codec: str, note: str) -> Row:
    path = f"ASVspoof2021_LA_eval/flac/{name}.flac"
    return row(path, label, method, speaker, split, "asvspoof2021_la", codec, note)


LA_2021 = (
    la21("LA_E_9332881", 1, "A07", "LA_0009", "test", "alaw", "transmission=ita_tx trim=notrim"),
    la21("LA_E_7294490", 0, "real", "LA_0020", "test", "g722", "transmission=loc_tx trim=notrim"),
    la21("LA_E_8589971", 1, "A07", "LA_0009", "progress", "alaw", "transmission=loc_tx trim=notrim"),
    la21("LA_E_2834763", 0, "real", "LA_0012", "hidden", "none", "trim=trim"),
)

DF_LINES = [
    "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -",
    "TEF2 DF_E_2000013 low_m4a vcc2020 Task1-team20 spoof notrim eval neural_vocoder_nonautoregressive Task1 team20 "
    "FF E",
    "TGF1 DF_E_2000024 mp3m4a vcc2020 Task2-team12 spoof notrim eval traditional_vocoder Task2 team12 FF G",
    "LA_0043 DF_E_2000026 nocodec asvspoof - bonafide notrim eval bonafide - - - -",
]
DF_NAMES = [line.split()[1] for line in DF_LINES]


def df_2021(root: Path) -> None:
    """Archives in parts, each with a folder of its own, and the first keys, which named no track."""
    write_lines(root / "keys/CM" / KEY, [" ".join(line.split()[:8]) for line in DF_LINES])
    for part, names in (("part00", DF_NAMES[:2]), ("part01", DF_NAMES[2:])):
        touch(root, *(f"ASVspoof2021_DF_eval_{part}/ASVspoof2021_DF_eval/flac/{name}.flac" for name in names))


def df_rows(folders: tuple[str, str], full: bool) -> tuple[Row, ...]:
    """Rows with the full keys' columns, or with the first eight of them."""
    told = [
        ("vocoder=traditional_vocoder", "en"),
        ("vocoder=neural_vocoder_nonautoregressive task=Task1 team=team20 gender=FF language=E", "en"),
        ("vocoder=traditional_vocoder task=Task2 team=team12 gender=FF language=G", ""),
        ("", "en"),
    ]
    known = [
        (1, "A14", "LA_0023", "progress", "nocodec", "asvspoof"),
        (1, "Task1-team20", "TEF2", "test", "low_m4a", "vcc2020"),
        (1, "Task2-team12", "TGF1", "test", "mp3m4a", "vcc2020"),
        (0, "real", "LA_0043", "test", "nocodec", "asvspoof"),
    ]
    return tuple(
        row(
            f"{folders[number // 2]}/{DF_NAMES[number]}.flac", label, method, speaker, split, "asvspoof2021_df", codec,
            f"source={source} trim=notrim {told[number][0] if full else ''}".strip(), source,
            told[number][1] if full else "en",
        )
        for number, (label, method, speaker, split, codec, source) in enumerate(known)
    )  # fmt: skip


def everything(root: Path) -> None:
    """SSL_Anti-spoofing's database folder: 2019 LA, 2021 LA and DF side by side; one name is in 2019 and in 2021."""
    la_2019(root, "ASVspoof_LA_cm_protocols", "ASVspoof2019_LA")
    la_2021(root)
    write_lines(root / "keys/DF/CM" / KEY, DF_LINES)
    touch(root, *(f"ASVspoof2021_DF_eval/flac/{name}.flac" for name in DF_NAMES))


def pa_2021(root: Path) -> None:
    write_lines(root / "keys/PA/CM" / KEY, [
        "PA_0010 PA_E_1000001 R3 M3 d4 r1 m1 s4 c4 spoof notrim eval",
        "PA_0011 PA_E_1000002 R1 M2 D5 - - - - bonafide notrim progress",
    ])  # fmt: skip
    touch(root, *(f"ASVspoof2021_PA_eval/flac/{name}.flac" for name in ("PA_E_1000001", "PA_E_1000002")))


PA_2021 = (
    row("ASVspoof2021_PA_eval/flac/PA_E_1000001.flac", 1, "replay", "PA_0010", "test", "asvspoof2021_pa", "R3-M3-d4",
        "attack_room=r1 attack_microphone=m1 attack_device=s4 attack_distance=c4 trim=notrim"),
    row("ASVspoof2021_PA_eval/flac/PA_E_1000002.flac", 0, "real", "PA_0011", "progress", "asvspoof2021_pa", "R1-M2-D5",
        "trim=notrim"),
)  # fmt: skip

BOTH_FOLDERS = ("ASVspoof2021_DF_eval/flac",) * 2
PARTS = tuple(f"ASVspoof2021_DF_eval_part0{number}/ASVspoof2021_DF_eval/flac" for number in (0, 1))

LAYOUTS = (
    Layout(
        "2019_la", "asvspoof", la_2019, la_2019_rows(), missing=f"{LA19}_dev/flac/LA_D_1125976.flac",
        extra=f"{LA19}_dev/flac/LA_D_0000001.flac", folder=f"{LA19}_train/flac", half=f"{LA19}_eval",
        malformed=(
            Malformed(f"{LA19}_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt", "A01 spoof", "A01 fake",
                      "ASVspoof2019.LA.cm.train.trn.txt, line 2", (f"{LA19}_train/flac/LA_T_1271820.flac",)),
            Malformed(f"{LA19}_cm_protocols/ASVspoof2019.LA.cm.dev.trl.txt", "LA_D_1047731 - - bonafide",
                      "LA_D_1047731", "ASVspoof2019.LA.cm.dev.trl.txt, line 1",
                      (f"{LA19}_dev/flac/LA_D_1047731.flac",)),
        ),
    ),
    Layout(
        "2019_pa", "asvspoof", pa_2019, PA_2019, missing=PA_2019[1].path,
        extra="PA/ASVspoof2019_PA_train/flac/PA_T_0000009.flac", folder="PA", half="PA/ASVspoof2019_PA_train",
        half_problems=None,
    ),
    Layout(
        "2021_la", "asvspoof", la_2021, LA_2021, missing=LA_2021[1].path,
        extra="ASVspoof2021_LA_eval/flac/LA_E_0000001.flac", folder="ASVspoof2021_LA_eval", half="ASVspoof2021_LA_eval",
        half_problems=None,
        malformed=(
            Malformed("keys/LA/CM/trial_metadata.txt", "notrim progress", "notrim later",
                      "trial_metadata.txt, line 3", (LA_2021[2].path,)),
            Malformed("keys/LA/CM/trial_metadata.txt", "LA_E_9332881", "LA_E_9332881-alaw-ita_tx",
                      "trial_metadata.txt, line 1", (LA_2021[0].path,)),
        ),
    ),
    Layout(
        "2021_df_in_parts", "asvspoof", df_2021, df_rows(PARTS, full=False), missing=f"{PARTS[1]}/DF_E_2000026.flac",
        extra=f"{PARTS[0]}/DF_E_1000001.flac", folder="ASVspoof2021_DF_eval_part00", half="ASVspoof2021_DF_eval_part01",
        # Which part an absent file was in, nobody says: it is looked for where the others are.
        half_problems={"missing_file": 2},
    ),
    Layout(
        "2019_and_2021_under_one_root", "asvspoof", everything,
        (*la_2019_rows("ASVspoof2019_LA"), *LA_2021, *df_rows(BOTH_FOLDERS, full=True)), missing=LA_2021[0].path,
        extra="ASVspoof2021_DF_eval/flac/DF_E_1000001.flac", folder="ASVspoof2021_LA_eval/flac",
        half="ASVspoof2021_LA_eval/flac", half_problems={"missing_file": 4, "missing_folder": 1},
    ),
    Layout(
        "2021_pa", "asvspoof", pa_2021, PA_2021, missing=PA_2021[0].path,
        extra="ASVspoof2021_PA_eval/flac/PA_E_9.flac", folder="ASVspoof2021_PA_eval", half="ASVspoof2021_PA_eval",
        half_problems=None,
    ),
)  # fmt: skip
