"""The pool as the router sees it: where it comes from, which candidates are well, which have drifted."""
