"""Nothing but a name for pytest to find at the top of the wheel.

pytest looks through an installed plugin's files for modules whose assertions it may rewrite, and
warns if these are imported already. In a wheel that holds a namespace package alone it finds
`__main__`, which always is. The plugin itself is `wavetank.reports.pytest_plugin`.
"""

__all__: list[str] = []
