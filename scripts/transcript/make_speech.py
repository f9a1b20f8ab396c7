#!/usr/bin/env python3
"""Collects the speech of the transcript benchmark: SPEECH/manifest.json and 16 kHz sound files with their texts.

    make_speech.py FIXTURES SPEECH

FIXTURES has a.wav, a.txt, b.wav, b.txt (English, synthesised by hibari-tts). Human English comes from Debian's
pocketsphinx-testdata (LibriVox) and the PyPI wheel moonshine-voice (LibriVox); nothing of them is run. Other languages are
synthesised by espeak-ng, because no human speech of them with its text is in a package registry: their figures compare
recognisers, and do not tell how well people are understood. Needs apt-get, dpkg-deb, espeak-ng, sox and pip. What cannot be had
is left out, and the manifest says so.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

MOONSHINE = "moonshine-voice==0.1.5 --hash=sha256:1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496"
PLATFORM = ["--platform", "manylinux_2_34_x86_64", "--implementation", "py", "--abi", "none", "--python-version", "3.11"]
LIBRIVOX = "pocketsphinx-testdata"

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the "
    "epoch of belief, it was the epoch of incredulity, it was the season of light, it was the season of darkness, it was the "
    "spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all going "
    "direct to heaven, we were all going direct the other way. In short, the period was so far like the present period that "
    "some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative degree of "
    "comparison only."
)

# Language and espeak-ng's voice, with the same message in each.
SYNTHETIC = {
    ("en", "en-gb"): "Good morning, and thank you for taking my call. We have read your proposal on the northern border with care. "
    "The observers can be in place in the first week of March. Let our foreign ministers announce it together.",
    ("fr", "fr"): "Bonjour, et merci de prendre mon appel. Nous avons lu avec attention votre proposition sur la frontière du nord. "
    "Les observateurs peuvent être en place dans la première semaine de mars. Que nos ministres l'annoncent ensemble.",
    ("es", "es"): "Buenos días, y gracias por atender mi llamada. Hemos leído con atención su propuesta sobre la frontera del norte. "
    "Los observadores pueden estar en su lugar en la primera semana de marzo. Que nuestros ministros lo anuncien juntos.",
    ("de", "de"): "Guten Morgen, und danke, dass Sie meinen Anruf annehmen. Wir haben Ihren Vorschlag zur nördlichen Grenze mit "
    "Sorgfalt gelesen. Die Beobachter können in der ersten Woche im März dort sein. Unsere Minister sollen es gemeinsam verkünden.",
    ("ru", "ru"): "Доброе утро, и спасибо, что вы ответили на мой звонок. Мы внимательно прочитали ваше предложение о северной "
    "границе. Наблюдатели могут быть на месте в первую неделю марта. Пусть наши министры объявят об этом вместе.",
    ("ar", "ar"): "صباح الخير وشكرا على قبول مكالمتي. لقد قرأنا اقتراحكم حول الحدود الشمالية بعناية. "
    "يمكن أن يكون المراقبون في مكانهم في الأسبوع الأول من مارس. فليعلن وزراؤنا ذلك معا.",
    ("zh", "cmn"): "早上好，谢谢您接听我的电话。我们仔细阅读了您关于北部边界的建议。观察员可以在三月第一周到位。让我们的外交部长一起宣布。",
}


def say(what):
    print(f"make_speech: {what}", flush=True)


def to_16k(source, target):
    subprocess.run(["sox", "-R", source, "-b", "16", "-c", "1", target, "gain", "-n", "-3", "rate", "-v", "16000"], check=True)


def fixtures(folder, out):
    for name in ("a", "b"):
        to_16k(folder / f"{name}.wav", out / f"fixture-{name}.wav")
        yield "en", "synthetic", f"fixture-{name}.wav", (folder / f"{name}.txt").read_text(encoding="utf-8")


def librivox(out, scratch):
    subprocess.run(["apt-get", "download", LIBRIVOX], cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (package,) = scratch.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, scratch], check=True)
    folder = scratch / "usr/share/pocketsphinx/test/data/librivox"
    for line in (folder / "transcription").read_text(encoding="utf-8").splitlines():
        text, name = line.rsplit("(", 1)
        name = name.strip(" )")
        to_16k(folder / f"{name}.wav", out / f"{name}.wav")
        # The reader does not repeat the article that the transcription has twice.
        text = text.replace("mister", "mr").replace("<s>", "").replace("</s>", "").replace("more a amiable", "more amiable")
        yield "en", "human", f"{name}.wav", text.strip()


def two_cities(out, scratch):
    requirements = scratch / "requirements.txt"
    requirements.write_text(MOONSHINE + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    choice = [*PLATFORM, "--only-binary=:all:", "--require-hashes", "--requirement", requirements, "--dest", scratch]
    subprocess.run([*pip, *choice], check=True)
    (wheel,) = scratch.glob("moonshine_voice-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (scratch / "two_cities.wav").write_bytes(archive.read("moonshine_voice/assets/two_cities.wav"))
    to_16k(scratch / "two_cities.wav", out / "two_cities.wav")
    yield "en", "human", "two_cities.wav", TWO_CITIES


def synthetic(out, scratch):
    for (language, voice), text in SYNTHETIC.items():
        name = f"espeak-{language}.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "-w", scratch / name, text], check=True)
        to_16k(scratch / name, out / name)
        yield language, "synthetic", name, text


def main():
    source, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    files = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for make in (
            lambda: fixtures(source, out),
            lambda: librivox(out, scratch),
            lambda: two_cities(out, scratch),
            lambda: synthetic(out, scratch),
        ):
            try:
                for language, kind, sound, text in make():
                    files.append({"language": language, "kind": kind, "sound": sound, "text": text})
            except (subprocess.CalledProcessError, FileNotFoundError, ValueError) as error:
                say(f"left out: {error}")
    (out / "manifest.json").write_text(json.dumps(files, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    say(f"{len(files)} files in {out}")


if __name__ == "__main__":
    main()
