# SPDX-License-Identifier: Apache-2.0
"""The workshop of the face nets: teacher, labelled pictures, made scenes and crops, nets, training, figures, card."""
