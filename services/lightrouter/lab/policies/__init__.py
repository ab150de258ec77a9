"""Policies: ways to answer prompts with the models of a pool."""
