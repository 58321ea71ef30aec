# SPDX-License-Identifier: Apache-2.0
"""The face nets' own workshop: teacher, labelled pictures, made scenes and crops, nets, training, measurement, card."""
