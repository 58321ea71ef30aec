# SPDX-License-Identifier: Apache-2.0
"""What a kind of on-the-fly forgery is worth: found with a frozen encoder, on forged rows of sources left out.

``tools/forgery_worth.py`` is the way in.
"""
