"""What was found before: deciding what changed (pure) and keeping it (Table Storage)."""
