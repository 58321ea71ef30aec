# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while pictures are compared, aligned and reduced is an exception, and never the end of the process.

OpenCV's bindings try the forms of a function one after another; of each that does not fit they ask what was wrong,
and a signal that comes just then leaves them without an answer, which they read all the same: a null pointer. So the
package calls no function in another form than its first (``cv2.norm`` of two pictures is its third).
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from requirements import needs

STORM = """
import signal, sys, time
import numpy as np
from cad.faces.active_speaker import _patch, MOUTH_PX
from cad.faces.align import align_face, canonical_points
from cad.faces.finder import stretched
from cad.faces.stillness import motion_of
from cad.faces.track_book import encode_jpeg
from cad.faces.tracker import is_same

class Stop(KeyboardInterrupt):
    pass

def stop(number, frame):
    raise Stop

random = np.random.default_rng(0)
picture = random.integers(0, 256, (112, 112, 3), dtype=np.uint8)
same, dark = picture.copy(), picture // 4
small = random.random((3, 8, 8), dtype=np.float32)
points = canonical_points(112)
works = {
    "is_same": lambda: is_same(picture, same),
    "align_face": lambda: (align_face(picture, points), align_face(picture, points, 16)),
    "encode_jpeg": lambda: encode_jpeg(picture),
    "lips": lambda: _patch(picture, MOUTH_PX),
    "motion_of": lambda: motion_of(small, small[0]),
    "stretched": lambda: stretched(dark),
}
work = works[sys.argv[1]]
work()
signal.signal(signal.SIGALRM, stop)
stopped, end = 0, time.monotonic() + 1.0
while time.monotonic() < end:
    try:
        signal.setitimer(signal.ITIMER_REAL, 3e-4)
        while True:
            work()
    except Stop:
        stopped += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(stopped)
"""


@needs("linux")
@pytest.mark.parametrize("work", ["is_same", "align_face", "encode_jpeg", "lips", "motion_of", "stretched"])
def test_signals_are_exceptions(work):
    done = subprocess.run([sys.executable, "-c", STORM, work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10  # as many as a busy machine lets through
