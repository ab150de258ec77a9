"""The pool of candidates: its schema, its homes and its changes."""
