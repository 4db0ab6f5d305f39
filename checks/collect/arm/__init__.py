"""Azure Resource Manager and Microsoft Graph: reads, their bodies as facts, and the inventory of subscriptions."""
