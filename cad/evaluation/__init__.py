# SPDX-License-Identifier: Apache-2.0
"""Scores against truth: metrics with intervals over identities, protocols, controls for shortcuts, figures.

``levels`` counts, ``ranking`` and ``calibration_error`` measure, ``bootstrap`` gives intervals, ``views`` says which
rows count for which stream, ``tables`` and ``figures`` show. Nothing here imports torch.
"""
