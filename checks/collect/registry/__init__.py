"""Registry endpoints: the client, connectivity probes and the manifests of images in use."""
