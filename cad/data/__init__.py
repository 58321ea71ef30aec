# SPDX-License-Identifier: Apache-2.0
"""Clips: manifests, shards, forging, augmentation and benchmark layouts."""
