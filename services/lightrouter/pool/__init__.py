"""What the pool of candidates is, and how it changes."""
