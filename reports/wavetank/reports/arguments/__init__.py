"""Names and files that a person typed, checked.

choices.py        a name that exists, or an error with the nearest one; start reading here
own_files.py      a name, or a file of one's own
profile_files.py  values of ``--profile``
"""
