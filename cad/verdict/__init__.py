# SPDX-License-Identifier: Apache-2.0
"""Gives the detector its verdict from the scores of windows: aggregate over time and faces, calibrate, decide."""
