"""Who may pull from a registry: RBAC, ABAC conditions, identities and pull secrets."""
