"""Checks what a crash left of a counter: DIR/number is the last one acknowledged, or later.

usage: check_counter.py DIR ACKED
"""

import sys
from pathlib import Path

path, acked = Path(sys.argv[1], "number"), Path(sys.argv[2]).read_text().split()
promised = int(acked[-1]) if acked else 0
number = int(path.read_text()) if path.exists() else 0
if number < promised:
    sys.exit(f"expected {promised} or more but it is {number}")
