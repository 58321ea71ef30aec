# SPDX-License-Identifier: Apache-2.0
"""Tells data, training and evaluation what scores are worth against the truth, with numpy and scipy alone.

``score_counts`` counts scores by class and identity, ``roc`` and ``calibration_error`` measure the counts,
``bootstrap`` draws identities for intervals, ``measured`` puts them together.
"""
