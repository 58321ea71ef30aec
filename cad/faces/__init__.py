# SPDX-License-Identifier: Apache-2.0
"""Finding faces with a small net of our own, following and aligning them, and telling which of them talks."""
