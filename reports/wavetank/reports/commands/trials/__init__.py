"""Commands that try the engine in every place, and those that try the testbed.

sweep.py   each operation of the filesystem fails once; start reading here
damage.py  each place of a store's files is damaged
syncs.py   each sync is left out
zoo.py     planted bugs: does the testbed find them?
litmus.py  litmus programs: is the simulated disk like the real ones?
"""
