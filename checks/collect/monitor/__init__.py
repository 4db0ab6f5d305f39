"""What Azure Monitor keeps of registries."""
