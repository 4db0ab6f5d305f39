"""What Azure's resources mean: clouds, regions, node pools and images, registry SKUs, artifact cache."""
