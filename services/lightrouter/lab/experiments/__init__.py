"""Experiments on a recording: each is a module with `run`, a command and a page."""
