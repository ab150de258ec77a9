"""Spans, metrics and the log line of a route."""
