# SPDX-License-Identifier: Apache-2.0
"""Measures for tools/fairness.py whom the product calls fake, or does not see, though everything is genuine.

``genuine_rows`` chooses the files. ``measuring`` runs the product over one file and looks at what it was given
(``onlooker``): its face (``face_look``, ``skin_tone``) and its voice (``voice_look``). ``measure_log`` keeps that.
``properties`` sorts files into bins, ``bin_figures`` counts them and holds them against the bar, ``fairness_report``
writes them down.
"""
