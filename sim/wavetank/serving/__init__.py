"""Checks in Python as persistent checkers: `serve_checks`, and nothing but the standard library.

A check of an image runs in a fork, and a fork costs by the memory of its process. So this can be
imported without all else, unlike the rest of wavetank, which needs some 50 MB.

    serving.py    requests, answers, and a fork for each
    leftovers.py  what a process has started and left running, found and killed
"""

from wavetank.serving.serving import serve_checks

__all__ = ["serve_checks"]
