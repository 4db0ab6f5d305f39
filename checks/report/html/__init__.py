"""The HTML report: one page that stands alone, to be mailed or attached to a ticket. Pure."""
