"""Azure Monitor: what registries saw of the nodes' pulls, as metrics and as tables of Log Analytics workspaces."""
