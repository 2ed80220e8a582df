"""Concurrent callers of one object: their history, and whether any order of the calls explains it.

history.py           calls and power cuts, in one order of events
possibilities.py     every state the object may be in, event by event
linearizability.py   the verdict on a history, and the calls that contradict each other
"""
