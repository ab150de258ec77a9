"""LightRouter: one prompt, several language models, one answer; only the promising drafts are paid for in full."""
