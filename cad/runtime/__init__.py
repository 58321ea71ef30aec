# SPDX-License-Identifier: Apache-2.0
"""Runs the exported model for the detector with ONNX Runtime; ``scorer`` turns windows into logits."""
