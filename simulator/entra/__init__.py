"""Who the app is: managed identity, tokens, permissions."""
