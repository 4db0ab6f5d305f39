"""The dashboard's pages: of what is kept to what is shown. Pure."""
