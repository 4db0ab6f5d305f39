"""A small part of the Kusto Query Language, enough to ask tables of a workspace; whatever else is asked is refused."""
