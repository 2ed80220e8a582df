"""What `wavetank check` does once its options are known.

execution.py  the store found and asked
corpus.py     checks that failed before, which are asked first
text.py       a scorecard for people
markdown.py   the same as a page
"""
