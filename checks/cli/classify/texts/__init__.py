"""Reading lines: tables, descriptions, logs and pasted errors; each line shows what it is."""
