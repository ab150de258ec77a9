"""A real, small language model on this machine: its download and its OpenAI-compatible server."""
