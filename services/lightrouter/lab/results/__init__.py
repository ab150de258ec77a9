"""What policies give and cost: runs, accounts, intervals, figures."""
