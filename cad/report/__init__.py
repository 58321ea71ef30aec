# SPDX-License-Identifier: Apache-2.0
"""The verdict for people and programs: text, JSON, HTML."""
