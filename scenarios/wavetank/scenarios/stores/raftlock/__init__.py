"""A published Raft store's order of operations, its faults included: a store that must fail."""
