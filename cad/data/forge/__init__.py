# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes: forgeries made on the fly from genuine clips, with numpy and OpenCV. ``forge`` makes them.

Each kind lives in a file of its own and registers a name; importing this package registers them all.
"""

from importlib import import_module

from cad.data.forge.donors import DonorPool, Donors
from cad.data.forge.forging import DEFAULT_WEIGHTS, forge, genuine
from cad.data.forge.records import Forger, Job, Need, Stream
from cad.data.forge.registry import forger_names, get_forger, register
from cad.data.forge.segment import cut

__all__ = [
    "DEFAULT_WEIGHTS",
    "DonorPool",
    "Donors",
    "Forger",
    "Job",
    "Need",
    "Stream",
    "cut",
    "forge",
    "forger_names",
    "genuine",
    "get_forger",
    "register",
]

_KINDS = (
    "coarse_face compressed_face flicker griffin_lim learned linear_prediction low_rank_face mouth_time "
    "mouth_warp other_voice phase_vocoder self_blend shift silence smooth_speech spectral_peaks speed splice "
    "world"
)
for _kind in _KINDS.split():
    import_module(f"{__name__}.{_kind}")
