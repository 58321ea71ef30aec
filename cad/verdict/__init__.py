# SPDX-License-Identifier: Apache-2.0
"""From the scores of windows to a verdict: aggregate over time and faces, calibrate, decide."""

from cad.verdict.aggregate import Evidence, aggregate
from cad.verdict.analysis import Analysis
from cad.verdict.judge import judge
from cad.verdict.records import Label, Reason, Segment, StreamEvidence, Verdict

__all__ = ["Analysis", "Evidence", "Label", "Reason", "Segment", "StreamEvidence", "Verdict", "aggregate", "judge"]
