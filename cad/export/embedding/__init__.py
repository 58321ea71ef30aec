# SPDX-License-Identifier: Apache-2.0
"""Makes the embedding kit: every net with its pre- and post-processing as ONNX files, for other programs.

The graphs say again what ``cad.faces`` does in Python; tests hold them against each other. Needs ``onnx``, not torch.
"""
