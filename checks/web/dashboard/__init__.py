"""The dashboard over HTTP: who looks, which page is meant, what a form asks for."""
