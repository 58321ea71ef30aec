# SPDX-License-Identifier: Apache-2.0
"""Published data sets as they lie on disk, each turned into the one manifest that training and evaluation read.

Each data set has a small file of its own; ``registry.adapter`` finds it by name. pandas and pyarrow come with the
extra ``train``.
"""
