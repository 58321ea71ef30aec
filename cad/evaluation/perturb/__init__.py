# SPDX-License-Identifier: Apache-2.0
"""Gives protocols clips rewritten through real decoders and encoders: perturbed, cut, shifted, dubbed, spliced.

``source`` reads a clip, ``picture`` and ``sound`` change it, ``writer`` encodes it, ``catalogue`` names the
perturbations of protocol 6, ``edits`` makes the desynchronised and spliced clips.
"""
