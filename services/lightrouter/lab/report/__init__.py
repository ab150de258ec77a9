"""Reports: pages, tables, plots."""
