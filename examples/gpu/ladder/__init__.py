"""The rungs of the chapter hardware: one decode step, run in ever better ways."""
