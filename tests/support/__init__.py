"""What tests share: builders of tenants and networks, the command line, storage, peers."""
