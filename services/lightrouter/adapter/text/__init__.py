"""The text of a generation: plan, prefill, boundaries, hidden reasoning and coalescing."""
