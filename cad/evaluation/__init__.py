# SPDX-License-Identifier: Apache-2.0
"""Measures detectors for tools/evaluate.py and the release: protocols, scoring, figures, controls for shortcuts.

``cad.metrics`` measures, ``row_views`` chooses the rows for each stream, ``protocols`` and ``parts`` what is scored,
``runner`` scores, ``report`` gathers, ``report_tables`` lays out, ``formats`` and ``figures`` show. ``foreign`` takes
what other detectors left, ``model_tables`` several models on several sets. Nothing here imports torch but, when a
checkpoint must be exported, ``model_weights``.
"""
