# SPDX-License-Identifier: Apache-2.0
"""The face net's own workshop: net, scenes, targets. `tools/train_face_net.py` puts them to work."""
