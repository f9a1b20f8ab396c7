#!/usr/bin/env python3
"""Transcribes files with faster-whisper, the reference of the transcript benchmark.

    offline.py SPEECH NAME=MODEL...      prints {"NAME": {"FILE": "text"}} for the files in SPEECH/manifest.json

The same settings as the note-taker's: 8 bits, beam 5, one thread, the language given, no text of earlier windows.
"""

import json
import sys
from pathlib import Path

from faster_whisper import WhisperModel


def main():
    folder, *models = sys.argv[1:]
    folder = Path(folder)
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    result = {}
    for model in models:
        name, directory = model.split("=", 1)
        whisper = WhisperModel(directory, device="cpu", compute_type="int8", cpu_threads=1)
        texts = result.setdefault(name, {})
        for file in files:
            if file["language"] != "en" and not whisper.model.is_multilingual:
                continue
            segments, _ = whisper.transcribe(
                str(folder / file["sound"]),
                language=file["language"],
                beam_size=5,
                condition_on_previous_text=False,
            )
            texts[file["sound"]] = " ".join(segment.text.strip() for segment in segments)
    json.dump(result, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
