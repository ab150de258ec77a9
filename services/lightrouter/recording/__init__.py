"""Recorded candidate outputs: read, checked, and played back without their labels."""
