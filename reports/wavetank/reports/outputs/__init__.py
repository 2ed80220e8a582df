"""What is made of a run: each output listens to the news of it, its events, or its end.

event_lines.py  an event as one line for people (`--log short`, `diff`)
progress.py     bars, or lines now and then, and findings as they come
junit.py        JUnit XML
markdown.py     a summary for pages of continuous integration
files.py        all files that `--report` names
"""
