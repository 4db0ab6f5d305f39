"""The store: everything that is kept, in Azure Table Storage."""
