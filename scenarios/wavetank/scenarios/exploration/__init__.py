"""Every crash of a recorded run: which images it may leave, what recovery makes of them, and why.

loss.py             a crash that a person or hypothesis chooses
crash_point.py      the name of one image, and the image rebuilt from its name
recovery_graph.py   images, and the images that crashes inside their recoveries leave
explorer.py         every crash point of a recording, every image, one verdict each
partial.py          what an exploration saw, and several parts of one put together
cuts.py             where an exploration is cut into such parts
second_crash.py     the power cut after new work, run again for a story
violation.py        one broken promise with its story, as a value
op_words.py         micro-ops in words
causes.py           promise, lost work and cure, as values; chains.py reads them from a finding
lost_ops.py         what the power cuts lost, who issued it, which sync it needed
explain.py          a finding told to a person: what was lost, and why
cures.py            the first sync that makes an image impossible
cure_search.py      the cheapest cure that is verified: every sync, orders, several together
disk_evidence.py    what became of each op of a stretch of work, and which files differ
"""
