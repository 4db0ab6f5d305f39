"""The network path from a node pool to a registry, as Azure shows it."""
