"""Commands on one stored failure, each with its options and its execution.

show.py, show_execution.py        told on a screen, or as a test; start reading here
replay.py, replay_execution.py    whether it still happens
explain.py, explain_execution.py  why it happens, and what would prevent it
shrink.py, shrink_execution.py    made smaller
"""
