# SPDX-License-Identifier: Apache-2.0
"""Measures detectors for tools/evaluate.py and the release: protocols, scoring, figures, controls for shortcuts.

``cad.metrics`` measures, ``row_views`` chooses the rows for each stream, ``protocols`` and ``parts`` what is scored,
``runner`` scores, ``report`` gathers, ``tables`` and ``figures`` show. Nothing here imports torch.
"""
