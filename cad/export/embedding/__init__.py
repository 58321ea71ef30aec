# SPDX-License-Identifier: Apache-2.0
"""Makes the embedding kit: every net with its pre- and post-processing as ONNX files, for programs in other languages.

The graphs say again what ``cad.faces`` does in Python; tests hold the two against each other. Needs ``onnx``, not torch.
"""
