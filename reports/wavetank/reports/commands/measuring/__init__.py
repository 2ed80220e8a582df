"""`wavetank bench`: the engine, the exploration and long runs measured, and tables of pages written."""
