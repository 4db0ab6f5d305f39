"""Azure Resource Manager: resources, authorization, actions on clusters."""
