"""What such objects mean for the path of a cluster's nodes, and which of them have to be read for it."""
