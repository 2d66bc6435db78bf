"""The event bus: streams with consumer groups, leases, fenced commits and the journal."""
