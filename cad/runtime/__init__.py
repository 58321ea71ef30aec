# SPDX-License-Identifier: Apache-2.0
"""Runs the exported model with ONNX Runtime for the detector; ``scorer`` is where windows become logits."""
