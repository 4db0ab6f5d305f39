"""The real Azure CLI beside Pullwatch, on the same simulated tenant; run by tools/peers.py."""
