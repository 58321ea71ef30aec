# SPDX-License-Identifier: Apache-2.0
"""From the scores of windows to a verdict: aggregate over time and faces, calibrate, decide."""
