# SPDX-License-Identifier: Apache-2.0
"""Shows the verdict to people and programs: text, JSON, HTML."""
