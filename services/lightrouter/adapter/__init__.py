"""The adapter: one process per candidate that speaks its provider's API, with retries, limits and token counting."""
