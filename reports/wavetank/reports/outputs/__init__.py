"""What is made of a run: each output listens to the news of it, its events, or its end.

event_lines.py  an event as one line for people (`--log short`, `diff`)
event_log.py    events as NDJSON, written while they come
progress.py     bars, or lines now and then, and findings as they come
run_text.py     what a run prints in the end; tables.py has tables of any kind
sweep_table.py  the table of a run, in as many columns as fit
junit.py        JUnit XML of a run, and of checks
markdown.py     a summary for pages of continuous integration
files.py        the files that `--report` names
"""
