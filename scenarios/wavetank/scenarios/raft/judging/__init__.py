"""What a store shows, and which invariants that breaks.

observation.py       all that a store shows when it is asked everything
oracle.py            which invariants an observation breaks; start reading here
loss_rules.py        what is right on a disk that lies
tolerated_losses.py  what may be missing since the disk was to blame
reported_losses.py   what a store's own report names as gone
store_words.py       expected and shown, in lines of words
"""
