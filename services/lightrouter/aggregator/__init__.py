"""The aggregator service: merges the drafts of the chosen candidates into the answer."""
