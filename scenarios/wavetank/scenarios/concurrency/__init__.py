"""Concurrent callers of one object: their history, and whether any order of the calls explains it.

history.py           calls and power cuts, in one order of events
linearizability.py   every state the object may be in, and the verdict on a history
"""
