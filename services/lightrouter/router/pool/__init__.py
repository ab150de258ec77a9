"""The router's pool: its source, the health of its candidates, and drift detection."""
