"""The router: what callers use. Boots every candidate, has them ranked, lets the best finish, and merges their drafts."""
