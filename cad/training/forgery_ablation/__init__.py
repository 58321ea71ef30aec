# SPDX-License-Identifier: Apache-2.0
"""What a kind of on-the-fly forgery is ablation: found with a frozen encoder, on forged rows of sources left out.

``tools/training/forgery_ablation.py`` is the way in.
"""
