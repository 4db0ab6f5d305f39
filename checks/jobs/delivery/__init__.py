"""Delivering: pointers become batches, batches become mails of every channel, mails are composed and sent."""
