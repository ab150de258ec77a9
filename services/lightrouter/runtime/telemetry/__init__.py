"""OpenTelemetry: spans, metrics and logs of a service, and how they are exported."""
