#!/usr/bin/env python3
"""Fetches the speech engine CTranslate2 as the shared library that its PyPI wheel ships, to link against.

    fetch.py FOLDER                 fills FOLDER

The version has to be that of the headers in the crate ct2rs. Nothing of the wheel is run. x86-64 Linux with glibc only.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The wheels of all Python versions contain the same library; one is named, so that its digest can be pinned.
WHEEL = "ctranslate2==4.8.4 --hash=sha256:1037b3f51d18f1546120686670d71fcdaf85a0500fffccc56d8439ded5d284e5"
PLATFORM = ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"]
LIBRARIES = "ctranslate2.libs/"
# The crate's build script also names these static libraries (its feature `system` is written for another build of the
# engine). The shared library contains them, so they are empty archives here.
UNUSED = ["cpu_features", "cublas_static", "cublasLt_static", "culibos"]
EMPTY_ARCHIVE = b"!<arch>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="directory for the libraries")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        temporary = Path(temporary)
        requirements = temporary / "requirements.txt"
        requirements.write_text(WHEEL + "\n")
        print("recognizer: downloading CTranslate2 (42 MB)", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        choice = [*PLATFORM, "--only-binary=:all:", "--require-hashes", "--requirement", requirements]
        subprocess.run([*pip, *choice, "--dest", temporary], check=True)
        (wheel,) = temporary.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(LIBRARIES) and ".so" in name:
                    (temporary / Path(name).name).write_bytes(archive.read(name))
        for library in temporary.glob("*.so*"):
            library.chmod(0o755)
            library.rename(folder / library.name)
    (engine,) = folder.glob("libctranslate2-*.so*")
    link = folder / "libctranslate2.so"
    link.unlink(missing_ok=True)
    link.symlink_to(engine.name)
    for name in UNUSED:
        (folder / f"lib{name}.a").write_bytes(EMPTY_ARCHIVE)


if __name__ == "__main__":
    main()
