# SPDX-License-Identifier: Apache-2.0
"""The exported model, run with ONNX Runtime on the sound that counts."""
