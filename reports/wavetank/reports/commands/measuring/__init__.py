"""`wavetank bench`: engine, exploration and long runs measured, and tables of pages written."""
