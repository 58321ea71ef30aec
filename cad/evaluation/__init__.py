# SPDX-License-Identifier: Apache-2.0
"""Scores against truth: metrics with intervals over identities, protocols, controls for shortcuts, figures.

``cad.metrics`` measures, ``views`` says which rows count for which stream, ``protocols`` and ``parts`` what is scored,
``runner`` scores, ``report`` gathers, ``tables`` and ``figures`` show. Nothing here imports torch.
"""
