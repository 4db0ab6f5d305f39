"""The nodes: scheduler and kubelet, their network, and what they hear when they pull."""
