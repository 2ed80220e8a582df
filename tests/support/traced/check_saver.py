"""Checks what a crash left of a saver: DIR/config holds the last acknowledged number or a later.

usage: check_saver.py DIR ACKED
"""

import sys
from pathlib import Path

config, acked = Path(sys.argv[1], "config"), Path(sys.argv[2]).read_text().split()
last = int(acked[-1]) if acked else 0
if not config.exists():
    sys.exit(f"expected {last} but there is no config" if last else 0)
text = config.read_text()
if not text.strip().isdecimal():
    sys.exit(f"expected a number but config holds {text!r}")
if int(text) < last:
    sys.exit(f"expected {last} or more but config holds {text!r}")
