# SPDX-License-Identifier: Apache-2.0
"""Nets to stand beside ours in a table, written after their papers; each hears or sees one stream."""
