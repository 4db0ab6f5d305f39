"""The chain from a cluster to its images, link by link: identity, role, registry, DNS, network, nodes. Pure."""
