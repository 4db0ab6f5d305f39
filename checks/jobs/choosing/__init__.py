"""Which subscriptions, clusters and registries a scan is asked for, and what of it is not there."""
