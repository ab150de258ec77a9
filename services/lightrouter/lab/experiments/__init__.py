"""Experiments on a recording: modules with `run`, each a command and a page, and the parts that they are made of."""
