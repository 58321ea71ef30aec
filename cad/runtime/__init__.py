# SPDX-License-Identifier: Apache-2.0
"""Running the exported model with ONNX Runtime, on the sound that counts."""

from cad.runtime.scorer import Scorer
from cad.runtime.speech import find_speech, keep_speech

__all__ = ["Scorer", "find_speech", "keep_speech"]
