"""The command line: `lightrouter up`, `ask`, `candidates`, `init`, `demo`."""
