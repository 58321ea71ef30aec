# SPDX-License-Identifier: Apache-2.0
"""Makes one checked ONNX file of a trained network (needs the ``train`` extra: torch and onnx)."""
