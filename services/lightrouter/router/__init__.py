"""The router: what callers use. All candidates boot, the best-ranked finish, their drafts are merged."""
