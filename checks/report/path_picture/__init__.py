"""The picture of a chain, as text for a terminal and as SVG for pages. Pure."""
