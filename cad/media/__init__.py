# SPDX-License-Identifier: Apache-2.0
"""Gives the detector media files, streams and arrays on the 25 Hz grid.

Start with ``cad.media.reader.open_media``, ``cad.media.pool.MediaPool`` or ``cad.media.arrays.ArraySource``. Nothing is
imported here, because the decoding process needs other modules of this package than the reader and starts faster so.
"""
