"""A scan as people read it in a terminal: what is broken first, then what is unknown, the count last.

Every text that came from Azure or a pod passes ``layout.safe``: no markup, no control characters.
"""
