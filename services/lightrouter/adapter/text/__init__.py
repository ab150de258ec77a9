"""The text of a generation: where it may be cut, how it goes on, what of it is reasoning."""
