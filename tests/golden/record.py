# SPDX-License-Identifier: Apache-2.0
"""Make what the product says of the golden clips now the record, after a change that was meant to alter verdicts.

    python tests/golden/record.py

What changes is printed first, clip by clip; look at it and at ``git diff``, and say in the commit why it is right.
"""

from __future__ import annotations

import argparse

from golden_verdicts import RECORD, differences, record_verdicts, recorded_verdicts, verdicts_now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    then = recorded_verdicts() if RECORD.exists() else {}
    now = verdicts_now()
    for name, document in now.items():
        changes = differences(document, then[name]) if name in then else ["new"]
        print(f"{name}: {document['label']}", *changes, sep="\n  ")
    record_verdicts(now)


if __name__ == "__main__":
    main()
