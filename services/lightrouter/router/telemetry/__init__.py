"""What a route leaves behind: spans, metrics and a log line."""
