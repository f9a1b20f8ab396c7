#!/usr/bin/env python3
"""Prints the mean PESQ (ITU-T P.862.2, wide band) of pairs of 16 kHz WAV files.

    pesq_mean.py FOLDER NAME...     FOLDER/NAME-said.wav against FOLDER/NAME-heard.wav
"""

import sys
import wave
from pathlib import Path

import numpy
import pesq

RATE = 16_000
# PESQ of audio unrelated to the reference. Used where PESQ finds no speech and refuses to compute a score.
WORST = 1.0


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def main():
    folder = Path(sys.argv[1])
    scores = []
    for name in sys.argv[2:]:
        said, heard = (read(folder / f"{name}-{which}.wav") for which in ("said", "heard"))
        score = pesq.pesq(RATE, said, heard, "wb", on_error=pesq.PesqError.RETURN_VALUES)
        scores.append(score if score > WORST else WORST)
    print(sum(scores) / len(scores))


if __name__ == "__main__":
    main()
