"""Baselines: other ways to use the same models, with which LightRouter is compared."""
