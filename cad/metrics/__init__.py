# SPDX-License-Identifier: Apache-2.0
"""What scores are worth against the truth: numpy and scipy alone, for whoever measures (data, training, evaluation).

``score_counts`` counts scores by class and identity, ``roc`` and ``calibration_error`` measure the counts,
``bootstrap`` draws identities for intervals, ``measured`` puts them together.
"""
