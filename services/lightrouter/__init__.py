"""LightRouter: one prompt, several language models, little more than the price of one."""
