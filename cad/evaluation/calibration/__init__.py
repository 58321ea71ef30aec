# SPDX-License-Identifier: Apache-2.0
"""Probabilities and thresholds from scores of validation clips, written into the model's ModelSpec.

``clips`` is what they rest on, ``platt`` fits a head and chooses its thresholds, ``fitting`` does so for all heads
until the product's answer for whole files keeps the rate, and ``calibrating`` goes from a model to a calibrated one.
"""
