"""How a name of a registry is answered: zones, forwarding rules, and who stands at a DNS server's address."""
