"""Compares answers: by extracted values, by wording, and by contradictions."""
