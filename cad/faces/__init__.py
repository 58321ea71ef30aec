# SPDX-License-Identifier: Apache-2.0
"""Faces: found by a small net of our own, followed over time, aligned, and told apart by who is talking."""
