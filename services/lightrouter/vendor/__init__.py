"""Generated code of other projects, under a name of ours so that it meets no package of theirs."""
