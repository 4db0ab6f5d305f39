"""Generated fleets: tenants of any size that pull without trouble."""
