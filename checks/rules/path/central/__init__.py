"""What a central network team runs above the networks of others: how its objects are understood."""
