"""The log of a store: the bytes of log.dat, and everything that reads or writes them."""

__all__: list[str] = []
