"""Notifying people: grouping what changed, writing the message, handing it to a transport."""
