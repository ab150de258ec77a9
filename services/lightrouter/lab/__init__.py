"""Experiments on recorded pools: what the method gives and costs, beside everything else one could do."""
