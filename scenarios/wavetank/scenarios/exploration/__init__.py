"""Every crash of a recorded run: which images it may leave, what recovery makes of them, and why.

subject.py          what the code under test must offer: a recorded run, a recovery, a judgement
crash_point.py      the name of one image, and the image rebuilt from its name
recovery_graph.py   images, and the images that crashes inside their recoveries leave
explorer.py         every crash point of a recording, every image, one verdict each; start here
partial.py          what an exploration saw, and several parts of one put together
cuts.py             where an exploration is cut into such parts
image_judge.py      whether images are right, and the smallest finding of each kind
point_outcomes.py   what the images of each crash point came to, counted
judging.py          what a problem is called, and one crash judged from its name
partial.py          what an exploration saw, and several parts of one put together
cuts.py             where an exploration is cut into such parts
causes.py           promise, lost work and cure, as values
op_words.py         micro-ops in words
loss.py             a crash that a person or hypothesis chooses
explaining/         a finding told: what was lost, why, and the cheapest cure
"""
