"""Pages: what there is to know of a check or of a cause, out of the catalog, as Markdown and as text. Pure."""
