"""What the fixtures of pytest_plugin.py do, once they are used.

tools.py   crash tests, sweeps and interleavings inside a test; start reading here
replay.py  failures of tests, stored for ``pytest --wavetank-replay``
"""
