"""The stages of a route, in their order: admit, shortlist, boot, select, decide, complete, aggregate."""
