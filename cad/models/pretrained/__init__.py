# SPDX-License-Identifier: Apache-2.0
"""Gives encoders starting weights that come inside ordinary packages: parses them and maps them to our names."""
