"""Whether a registry can use the customer-managed key that it is encrypted with."""
