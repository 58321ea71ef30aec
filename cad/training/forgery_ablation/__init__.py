# SPDX-License-Identifier: Apache-2.0
"""The forgery ablation: what a kind of on-the-fly forgery adds, seen by a frozen encoder, on sources left out.

``tools/training/forgery_ablation.py`` runs it.
"""
