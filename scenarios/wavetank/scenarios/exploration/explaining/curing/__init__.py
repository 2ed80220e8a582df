"""The cheapest cure of a finding, found by trying.

cure_search.py   orders, then syncs, then what would help instead; start reading here
order_search.py  another order of the calls that are there
sync_search.py   every sync at every place, and several together
added_sync.py    a sync that is put into an op log
cure_trial.py    whether any image of the crash point still shows the failure
no_sync.py       what would help where no sync does
cures.py         the first sync that makes an image impossible, for a story
"""
