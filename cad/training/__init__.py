# SPDX-License-Identifier: Apache-2.0
"""Training with Lightning: data, task, checkpoints and what is kept of a run."""
