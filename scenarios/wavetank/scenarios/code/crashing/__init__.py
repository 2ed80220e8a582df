"""Recordings crashed everywhere, each finding explained and cured.

verdicts.py     recordings judged under profiles; start reading here
exploration.py  every crash point and image under one profile
explain.py      a refused image told to a person
nested.py       one that a crash inside a recovery left
cure.py         the sync that makes a finding go away, found by trying
sync_needs.py   which syncs a program needs
"""
