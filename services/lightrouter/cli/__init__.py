"""The command line, `lightrouter`; `__main__` lists its commands."""
