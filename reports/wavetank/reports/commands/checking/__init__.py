"""`wavetank check`: the conformance suite on any store.

check.py      its options; start reading here
execution.py  the store found and asked
corpus.py     checks that failed before, which are asked first
text.py       a scorecard for people
markdown.py   the same as a page
"""
