//! No import cycles between the files of a crate: each can then be understood after those that it uses.
//!
//! A file may use the items of the modules that contain it (`super::Item`); its parent may use the file. Everything else
//! counts: `use` declarations and paths in code, followed through re-exports to the file that defines the item.

use super::{
    root,
    source::{tokens, without_comments, without_tests},
    source_dirs,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A module's path from its crate's root; the root is empty.
type ModulePath = Vec<String>;

/// A file of a crate.
struct Module {
    file: PathBuf,
    children: BTreeSet<String>,
    /// Names in scope by `use`, with what each may stand for.
    imports: BTreeMap<String, Vec<Vec<String>>>,
    /// Paths in code outside of `use` declarations.
    paths: Vec<Vec<String>>,
}

/// The modules of the crate with this root file.
fn load(root_file: &Path) -> BTreeMap<ModulePath, Module> {
    let mut modules = BTreeMap::new();
    let dir = root_file.parent().expect("invariant: a file has a directory");
    visit(root_file, Vec::new(), dir, &mut modules);
    modules
}

fn visit(file: &Path, path: ModulePath, dir: &Path, modules: &mut BTreeMap<ModulePath, Module>) {
    let Ok(source) = std::fs::read_to_string(file) else { return };
    let code = without_tests(&without_comments(&source));
    let words = tokens(&code);
    let children: BTreeSet<String> =
        words.windows(3).filter(|w| w[0] == "mod" && w[2] == ";").map(|w| w[1].to_owned()).collect();
    let (imports, paths) = (imports(&words), paths(&words));
    let file = file.strip_prefix(root()).unwrap_or(file).to_owned();
    modules.insert(path.clone(), Module { file, children: children.clone(), imports, paths });
    for child in children {
        let below = dir.join(&child);
        let mut path = path.clone();
        path.push(child.clone());
        let flat = dir.join(format!("{child}.rs"));
        let file = if flat.exists() { flat } else { below.join("mod.rs") };
        visit(&file, path, &below, modules);
    }
}

/// The `use` declarations of a file, by the name that each brings into scope.
fn imports(words: &[&str]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut found: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for at in (0..words.len()).filter(|at| words[*at] == "use") {
        let end = words[at..].iter().position(|word| *word == ";").map_or(words.len(), |length| at + length);
        let mut rest = &words[at + 1..end];
        let mut leaves = Vec::new();
        use_tree(&mut rest, &[], &mut leaves);
        for (name, path) in leaves {
            found.entry(name).or_default().push(path);
        }
    }
    found
}

/// Expands one tree of a `use` declaration, and removes it from `words`.
fn use_tree(words: &mut &[&str], prefix: &[String], leaves: &mut Vec<(String, Vec<String>)>) {
    let mut path = prefix.to_vec();
    while let Some((word, rest)) = words.split_first() {
        match *word {
            "::" => *words = rest,
            "{" => {
                *words = rest;
                while words.first().is_some_and(|word| *word != "}") {
                    use_tree(words, &path, leaves);
                    if words.first() == Some(&",") {
                        *words = &words[1..];
                    }
                }
                *words = words.get(1..).unwrap_or_default();
                return;
            }
            "," | "}" => break,
            "as" => {
                let name = rest.first().copied().unwrap_or_default();
                *words = rest.get(1..).unwrap_or_default();
                leaves.push((name.to_owned(), path));
                return;
            }
            word => {
                path.push(word.to_owned());
                *words = rest;
            }
        }
    }
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(name) = path.last() {
        leaves.push((name.clone(), path));
    }
}

/// Paths of at least two segments in code.
fn paths(words: &[&str]) -> Vec<Vec<String>> {
    let is_name = |word: &str| word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at] == "use" {
            at += words[at..].iter().position(|word| *word == ";").unwrap_or(words.len() - at);
            continue;
        }
        let mut path = Vec::new();
        while at < words.len() && is_name(words[at]) {
            path.push(words[at].to_owned());
            if words.get(at + 1) != Some(&"::") {
                break;
            }
            at += 2;
        }
        if path.len() > 1 {
            found.push(path);
        }
        at += 1;
    }
    found
}

/// The module that defines what `path`, as written in `from`, names; nothing if that is not in this crate.
fn resolve(
    modules: &BTreeMap<ModulePath, Module>,
    from: &ModulePath,
    path: &[String],
    depth: usize,
) -> Option<ModulePath> {
    // More re-exports of one name than this are a cycle of glob imports.
    if depth > 12 {
        return None;
    }
    let mut current = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            current.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                current.pop()?;
                rest = &rest[1..];
            }
        }
        first => {
            let module = &modules[from];
            if !module.children.contains(first) && !module.imports.contains_key(first) {
                return None;
            }
        }
    }
    while let Some((segment, after)) = rest.split_first() {
        if segment == "*" {
            break;
        }
        let module = &modules[&current];
        let mut child = current.clone();
        child.push(segment.clone());
        if module.children.contains(segment) && modules.contains_key(&child) {
            current = child;
            rest = after;
            continue;
        }
        let targets = module.imports.get(segment).into_iter().flatten();
        for target in targets.filter(|target| current != *from || target.as_slice() != path) {
            let whole: Vec<String> = target.iter().chain(after).cloned().collect();
            if let Some(found) = resolve(modules, &current, &whole, depth + 1) {
                return Some(found);
            }
        }
        let is_external = module.imports.contains_key(segment);
        return (!is_external || current != *from).then_some(current);
    }
    Some(current)
}

/// For each file, the files that it uses, without those of modules that contain it.
fn uses(modules: &BTreeMap<ModulePath, Module>) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
    let of = |path: &ModulePath, module: &Module| {
        let all = module.imports.values().flatten().chain(&module.paths);
        let found = all.filter_map(|used| resolve(modules, path, used, 0));
        found.filter(|target| !path.starts_with(target)).collect()
    };
    modules.iter().map(|(path, module)| (path.clone(), of(path, module))).collect()
}

fn reachable(uses: &BTreeMap<ModulePath, BTreeSet<ModulePath>>, from: &ModulePath) -> BTreeSet<ModulePath> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(path) = waiting.pop() {
        for next in &uses[path] {
            if found.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    found
}

/// The cycles of a crate, each as the sorted files that use each other.
fn cycles(root_file: &Path) -> BTreeSet<Vec<String>> {
    let modules = load(root_file);
    let uses = uses(&modules);
    let reach: BTreeMap<_, _> = uses.keys().map(|path| (path, reachable(&uses, path))).collect();
    let mut found = BTreeSet::new();
    for (path, reached) in &reach {
        if reached.contains(*path) {
            let members = reached.iter().filter(|other| reach[*other].contains(*path));
            let mut files: Vec<String> =
                members.map(|member| modules[member].file.to_string_lossy().into_owned()).collect();
            files.sort();
            found.insert(files);
        }
    }
    found
}

#[test]
fn files_do_not_import_each_other_in_cycles() {
    let mut found = BTreeSet::new();
    for dir in source_dirs() {
        for name in ["lib.rs", "main.rs"] {
            let file = root().join(&dir).join(name);
            if file.exists() {
                found.extend(cycles(&file));
            }
        }
    }
    assert!(found.is_empty(), "these files import each other; move what they share into a file of its own: {found:#?}");
}

#[test]
fn cycles_are_found_through_re_exports_and_paths() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("lib.rs", "mod a; mod b; mod c; pub use b::B; pub struct Root;");
    write("a.rs", "use crate::{B, Root}; pub struct A; #[cfg(test)] mod tests { use crate::c::C; }");
    write("b.rs", "pub struct B; fn f() { super::c::g() }");
    write("c.rs", "use std::fmt; use super::a::A as Other; pub struct C; pub fn g() { fmt::format(); }");
    let found = cycles(&dir.path().join("lib.rs"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found.first().unwrap().len(), 3, "{found:?}");
    write("b.rs", "pub struct B;");
    assert!(cycles(&dir.path().join("lib.rs")).is_empty());
}
