"""Prints the text of a .docx as PyPI python-docx reads it."""
import sys

import docx

document = docx.Document(sys.argv[1])
section = document.sections[0]
for part in (section.header, document, section.footer):
    for paragraph in part.paragraphs:
        print(paragraph.text)
