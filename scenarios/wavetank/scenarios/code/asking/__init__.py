"""What is wrong with an image: the user's functions run on it, and their answers.

judging.py     by a check; start reading here
observing.py   by what the program shows, or by the files
answers.py     what a probe says of an image, and who runs probes
probing.py     check or observe, run on each image once, in processes of their own
probe_ends.py  how one such run ended
"""
