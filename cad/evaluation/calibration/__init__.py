# SPDX-License-Identifier: Apache-2.0
"""Gives export/calibrate.py a model's probabilities and thresholds from validation clips, written into its ModelSpec.

``clips`` is what they rest on, ``platt`` fits a head and chooses its thresholds, and ``calibrating`` does so for all
heads until the product's answer for whole files keeps the rate, and goes from a model to a calibrated one.
"""
