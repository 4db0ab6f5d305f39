"""Azure's own rules: clouds, regions, node pools, node images, registry SKUs and artifact cache."""
