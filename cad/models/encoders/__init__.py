# SPDX-License-Identifier: Apache-2.0
"""Encoders give the networks of the CAD family tokens from faces, lips and speech; registry.py makes them by name."""
