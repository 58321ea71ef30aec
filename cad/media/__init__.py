# SPDX-License-Identifier: Apache-2.0
"""Media files, streams and arrays, read onto the 25 Hz grid.

Start with ``cad.media.reader.open_media``, ``cad.media.pool.MediaPool`` or ``cad.media.arrays.ArraySource``. Nothing is
imported here: the decoding process needs other modules of this package than the reader does, and starts faster without.
"""
