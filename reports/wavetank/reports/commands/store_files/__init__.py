"""Commands on a store's directory: verify.py checks its checksums, dump.py shows what it holds."""
