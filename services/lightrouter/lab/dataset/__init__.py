"""Recorded prompts, their labels, and the folds that they are split into."""
