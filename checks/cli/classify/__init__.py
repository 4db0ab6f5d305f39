"""``pullwatch classify``: the cause of pull errors that people have as text.

source            bytes of an input: encodings, colours, limits
formats           what an input is, and what it comes to
json_lines        one answer for one line: a contract
json_documents, yaml_documents, objects    events and pods as objects
text_lines, blocks, rows, description, log_lines   tables, ``kubectl describe``, logs and pasted texts
wraps, word_breaks    lines that a terminal or a mail broke, whole again
sighting, mentions, ages                   one text, and whom it is about
folding           which sightings are one error
answers, writers  what is answered, and how it is written
"""
