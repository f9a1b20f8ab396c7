//! Queries on `cargo metadata`.

use crate::process;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// The workspace as cargo sees it, with every feature of every crate on.
pub struct Metadata(Value);

impl Metadata {
    /// Runs `cargo metadata`.
    pub fn read() -> Result<Self> {
        let arguments = ["metadata", "--format-version=1", "--all-features", "--locked"];
        let text = process::output(&mut process::cargo(&arguments))?;
        Ok(Self(serde_json::from_str(&text).context("cargo metadata did not print JSON")?))
    }

    /// Names of the workspace crates.
    #[cfg(test)]
    pub fn members(&self) -> BTreeSet<String> {
        self.own_packages().map(|package| text(package, "name").to_owned()).collect()
    }

    /// The features (`crate/feature`) that tests, benchmarks and examples require. All targets get built only with these
    /// on; `--all-features` would also switch on what needs hardware or system libraries.
    pub fn features_of_tests(&self) -> Vec<String> {
        let mut features = BTreeSet::new();
        for package in self.own_packages() {
            for target in list(package, "targets") {
                for feature in list(target, "required-features") {
                    features.insert(format!("{}/{}", text(package, "name"), feature.as_str().unwrap_or_default()));
                }
            }
        }
        features.into_iter().collect()
    }

    /// Names of all benchmark targets.
    pub fn benches(&self) -> Vec<String> {
        let targets = self.own_packages().flat_map(|package| list(package, "targets"));
        let benches = targets.filter(|target| list(target, "kind").any(|kind| kind == "bench"));
        benches.map(|target| text(target, "name").to_owned()).collect()
    }

    /// The version of a crate anywhere in the dependency tree.
    pub fn version_of(&self, name: &str) -> Option<String> {
        let found = list(&self.0, "packages").find(|package| text(package, "name") == name)?;
        Some(text(found, "version").to_owned())
    }

    /// The dependencies of `name`, without dev-dependencies: direct ones only, or with `transitive` all.
    #[cfg(test)]
    pub fn dependencies(&self, name: &str, transitive: bool) -> BTreeSet<String> {
        let start = self.own_packages().find(|package| text(package, "name") == name);
        let mut waiting = vec![text(start.expect("a crate of the workspace"), "id")];
        let mut seen = BTreeSet::new();
        let mut first = true;
        while let Some(id) = waiting.pop() {
            let node = list(&self.0["resolve"], "nodes").find(|node| text(node, "id") == id).expect("a resolved crate");
            for dependency in list(node, "deps") {
                let built_with = list(dependency, "dep_kinds").any(|kind| kind["kind"] != "dev");
                if built_with && seen.insert(text(dependency, "pkg")) && (transitive || first) {
                    waiting.push(text(dependency, "pkg"));
                }
            }
            first = false;
            if !transitive {
                break;
            }
        }
        let by_id = |id: &&str| list(&self.0, "packages").find(|package| text(package, "id") == *id);
        seen.iter().filter_map(by_id).map(|package| text(package, "name").to_owned()).collect()
    }

    fn own_packages(&self) -> impl Iterator<Item = &Value> {
        let members: BTreeSet<&str> = list(&self.0, "workspace_members").filter_map(Value::as_str).collect();
        list(&self.0, "packages").filter(move |package| members.contains(text(package, "id")))
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
