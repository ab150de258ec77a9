"""The whole suite in one process: router, selector, aggregator and adapters, which call each other directly."""
