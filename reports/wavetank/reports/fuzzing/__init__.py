"""What `wavetank fuzz` does once its plan is known.

session.py       a run over processes, with a limit of time
text.py          what it prints
corpus_files.py  inputs kept from run to run
"""
