"""Failures in `.wavetank`: written, read back, made smaller, and written as tests.

failures.py         one file each in `.wavetank/failures`; start reading here
shrunk_failures.py  the same made smaller, beside the first
test_findings.py    findings of `crash_test` in tests
regressions.py      a failure as a pytest file
python_values.py    values as Python source, for that file
_fields.py          JSON objects read back, field by field
"""
