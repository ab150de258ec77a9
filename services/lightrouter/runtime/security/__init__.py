"""TLS, tokens and signed identities."""
