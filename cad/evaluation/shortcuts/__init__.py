# SPDX-License-Identifier: Apache-2.0
"""Controls that see what a detector should not need: what they reach, the data gives away (protocol 7).

``features`` measures silence, file metadata, plain statistics of sound and picture, and an encoder with random
weights; ``controls`` fits the same small classifier on each and scores like any detector; ``beside`` holds a
detector against a control on the rows that both scored.
"""
