# SPDX-License-Identifier: Apache-2.0
"""Data for training and evaluation: manifests, shards of clips, pseudo-fakes, augmentation and published data sets."""
