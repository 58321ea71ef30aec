# SPDX-License-Identifier: Apache-2.0
"""Starting weights that come inside ordinary packages, parsed here and mapped to our names."""
