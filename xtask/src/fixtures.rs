//! What tests need from outside: the speech model, and other people's tools that have to open our files.

use crate::{process, stamp};
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// The speech model's folder, fetched where it is missing.
pub fn model() -> Result<PathBuf> {
    let cache = process::target_dir().join("cache/models");
    process::run(process::command("python3").arg("scripts/fixtures/fetch_model.py").arg(&cache))?;
    let model = cache.join("whisper-tiny.en");
    ensure!(model.join("model.bin").exists(), "scripts/fixtures/fetch_model.py did not make {}", model.display());
    Ok(model)
}

/// The folder of a conversation in two voices to which nothing was ever tuned, spoken by a synthesiser where it is missing.
pub fn talk() -> Result<PathBuf> {
    let script = process::root().join("scripts/fixtures/make_speech.py");
    let folder = process::target_dir().join("cache/talk");
    let sounds = ["a.wav", "b.wav"].map(|name| folder.join(name));
    let inputs = stamp::Inputs::default().path(&script, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&sounds[0], &sounds[1]], || {
        // What an older script said there is not to be taken for this one's.
        sounds.iter().try_for_each(|sound| if sound.exists() { std::fs::remove_file(sound) } else { Ok(()) })?;
        process::run(process::command("python3").arg(&script).arg("--talk").arg(&folder))
    })?;
    Ok(folder)
}

/// A folder with npm's `age-encryption` in `node_modules` and Python's `bagit` in `venv`, installed where missing.
pub fn interop() -> Result<PathBuf> {
    let lists = process::root().join("scripts/interop");
    let folder = process::target_dir().join("cache/interop");
    let (modules, python) = (folder.join("node_modules/age-encryption"), folder.join("venv/bin/python"));
    let inputs = stamp::Inputs::default().path(&lists, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&modules, &python], || {
        std::fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(lists.join(file), folder.join(file))?;
        }
        process::run(process::command("npm").args(crate::web::NPM_CI).current_dir(&folder))?;
        process::run(process::command("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        process::run(process::command(&python).args(pip).arg(lists.join("requirements.txt")))
    })?;
    Ok(folder)
}
