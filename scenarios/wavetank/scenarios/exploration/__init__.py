"""Every crash of a recorded run: which images it may leave, what recovery makes of them, and why.

loss.py             a crash that a person or hypothesis chooses
crash_point.py      the name of one image, and the image rebuilt from its name
recovery_graph.py   images, and the images that crashes inside their recoveries leave
explorer.py         every crash point of a recording, every image, one verdict each
second_crash.py     the power cut after new work, run again for a story
violation.py        one broken promise with its story, as a value
op_words.py         micro-ops in words
explain.py          a finding told to a person: what was lost, why, which sync would cure it
disk_evidence.py    what became of each op of a stretch of work, and which files differ
"""
