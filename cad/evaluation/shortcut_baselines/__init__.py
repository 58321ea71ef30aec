# SPDX-License-Identifier: Apache-2.0
"""Gives audits baselines that see what a detector should not need: what they reach, the data gives away (protocol 7).

``features`` measures silence, file metadata, plain statistics of sound and picture, and an encoder with random
weights; ``baselines`` fits the same small classifier on each and scores like any detector; ``versus_baselines`` holds a
detector against a baseline on the rows that both scored. Protocols and stored reports call a baseline a *control*.
"""
