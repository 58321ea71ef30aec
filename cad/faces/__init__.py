# SPDX-License-Identifier: Apache-2.0
"""Finds, follows and aligns faces for the detector and for training, with small nets of our own."""
