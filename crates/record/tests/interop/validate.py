"""Extracts a tar stream with the standard library and validates the bag in it with PyPI bagit.

python validate.py <tar file> <new directory> <call id>
"""

import os
import sys
import tarfile

import bagit

stream, out, call = sys.argv[1:]
os.mkdir(out)
with tarfile.open(stream, "r:") as archive:
    archive.extractall(out, filter="data")
assert os.listdir(out) == [call], "a serialised bag has one directory (RFC 8493 section 4)"
bag = bagit.Bag(os.path.join(out, call))
bag.validate(processes=1)
assert bag.info["External-Identifier"] == call
print(len(list(bag.payload_files())), "files")
