"""What Azure Resource Manager shows of registries beyond their bodies: performance, keys."""
