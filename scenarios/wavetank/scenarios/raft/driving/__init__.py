"""Steps running on a live store, held against the model after each.

driver.py          one run, step by step, with and without faults; start reading here
running_store.py   the store under it: opened, and asked what it shows
step_answers.py    reads, refusals and cancelled calls, judged by what is answered
step_calls.py      a step as a call on a store, and its refusal as a finding
machine.py         the disk and the process below the store
fault_timeline.py  the faults that strike it, and where they stand at each position
history.py         what is known of the store, interval by interval
removed_entries.py what has been removed by each interval, shared by all
live_checks.py     what the engine says of itself: metrics, litter, verification
call_account.py    what its metrics must say of the calls it was asked for
inspection.py      the engine's other ways to show what it holds
retention.py       what its compactions must have removed by now
"""
