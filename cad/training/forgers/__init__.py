# SPDX-License-Identifier: Apache-2.0
"""Small networks that forge: trained here with torch, used by ``cad.data.forge.learned`` without it."""
