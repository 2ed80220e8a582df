"""A failure told to a person in text.

story.py          on one screen; start reading here
sentences.py      what it comes to, in sentences
lanes.py          concurrent callers, a line each
next_commands.py  what to type next
"""
