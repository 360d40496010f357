"""The code that readers run: one module per chapter, named for its slug."""
