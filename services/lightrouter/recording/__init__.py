"""Recordings of candidate outputs: reading, recording, prices, and playback without labels."""
