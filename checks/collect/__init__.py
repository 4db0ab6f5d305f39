"""Collect: the only code that talks to Azure, Kubernetes or registries. Wire data goes in, frozen facts come out."""
