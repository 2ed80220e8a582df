"""Runs that are kept and compared.

differences.py  the first event in which two runs part
folders.py      `.wavetank/runs`: what is kept of each run
rechecking.py   a kept run judged again by the code of today
"""
