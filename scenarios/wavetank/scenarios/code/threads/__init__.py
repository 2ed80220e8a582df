"""Schedules of threads.

courses.py        those of a workload that differ on the disk, crashed; start reading here
interleavings.py  those of one's own threads, without crashes
"""
