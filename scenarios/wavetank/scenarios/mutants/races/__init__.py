"""Planted races: variants of the engine that are wrong only where tasks meet.

race.py             a race as a value; start reading here
log_races.py        what readers see of the log, what appenders are told, and its rewriting
lock_races.py       locks that are leaked, taken in the wrong order or slept through
closing_races.py    the close, the directory's lock, and background work
content_races.py    term and vote, snapshots and metrics
race_bugs.py        all of them
race_hunt.py        one of them, hunted by schedules
"""
