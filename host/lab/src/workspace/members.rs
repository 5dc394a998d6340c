//! The packages of the workspace, as `cargo metadata` tells of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::WorkspaceError;

/// The package whose users build for the kernel's target only.
const OSTD: &str = "ostd";

/// A package of the workspace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The folder of its manifest.
    pub folder: PathBuf,
    /// It needs OSTD, by itself or for another member's sake, and builds for the kernel's target only.
    pub needs_ostd: bool,
    /// It is a default member: `cargo osdk test` at the root tests it.
    pub is_default: bool,
    dependencies: Vec<String>,
}

impl Member {
    /// The name of its crate, as its own code and the names of its tests spell it.
    pub fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|dependency| dependency == name)
    }
}

/// Reads the answer of `cargo metadata --no-deps`.
pub(super) fn read(metadata: &Value) -> Result<Vec<Member>, WorkspaceError> {
    let list = |key, what| metadata[key].as_array().ok_or(WorkspaceError::Unnamed(what));
    let defaults = list("workspace_default_members", "the default members")?;
    let mut members = Vec::new();
    for package in list("packages", "the packages")? {
        let text = |value: &Value, what| {
            value.as_str().map(str::to_owned).ok_or(WorkspaceError::Unnamed(what))
        };
        let manifest = text(&package["manifest_path"], "the manifest of a package")?;
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        members.push(Member {
            name: text(&package["name"], "the name of a package")?,
            folder: Path::new(&manifest).parent().unwrap_or(Path::new("")).to_owned(),
            needs_ostd: false,
            is_default: defaults.contains(&package["id"]),
            dependencies: dependencies
                .map(|dependency| text(&dependency["name"], "a dependency"))
                .collect::<Result<_, _>>()?,
        });
    }
    mark_those_on_ostd(&mut members);
    Ok(members)
}

/// Follows the dependencies among the members until no further one is found.
fn mark_those_on_ostd(members: &mut [Member]) {
    loop {
        let marked: Vec<String> =
            members.iter().filter(|m| m.needs_ostd).map(|m| m.name.clone()).collect();
        let mut found = false;
        for member in members.iter_mut().filter(|member| !member.needs_ostd) {
            member.needs_ostd =
                member.depends_on(OSTD) || marked.iter().any(|name| member.depends_on(name));
            found |= member.needs_ostd;
        }
        if !found {
            return;
        }
    }
}

/// The kernel: the only default member that no other default member depends on.
pub(super) fn kernel(members: &[Member]) -> Result<&Member, WorkspaceError> {
    let defaults = || members.iter().filter(|member| member.is_default);
    let roots: Vec<_> = defaults()
        .filter(|member| !defaults().any(|other| other.depends_on(&member.name)))
        .collect();
    match roots[..] {
        [kernel] => Ok(kernel),
        _ => Err(WorkspaceError::Kernels(roots.len())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(defaults: &[&str]) -> Value {
        let package = |name: &str, dependencies: &[&str]| {
            let dependencies: Vec<_> =
                dependencies.iter().map(|name| json!({ "name": name })).collect();
            let manifest = format!("/repository/{name}/Cargo.toml");
            json!({ "id": name, "name": name, "manifest_path": manifest, "dependencies": dependencies })
        };
        json!({
            "workspace_default_members": defaults,
            "packages": [
                package("my-fs", &["driver"]),
                package("kernel", &["my-fs", "plan"]),
                package("driver", &["ostd"]),
                package("plan", &[]),
                package("tool", &["plan"]),
            ],
        })
    }

    #[test]
    fn who_needs_ostd_is_found_through_others() {
        let members = read(&metadata(&["kernel"])).unwrap();
        let found: Vec<_> = members.iter().filter(|m| m.needs_ostd).map(|m| &*m.name).collect();
        assert_eq!(found, ["my-fs", "kernel", "driver"]);
        assert_eq!(members[0].crate_name(), "my_fs");
        assert_eq!(members[0].folder, Path::new("/repository/my-fs"));
    }

    #[test]
    fn the_kernel_is_the_default_member_on_top() {
        let kernel_of = |defaults| kernel(&read(&metadata(defaults)).unwrap()).cloned();
        assert_eq!(kernel_of(&["kernel"]).unwrap().name, "kernel");
        assert_eq!(kernel_of(&["driver", "my-fs", "kernel"]).unwrap().name, "kernel");
        let error = kernel_of(&["driver", "kernel"]).unwrap_err();
        assert!(matches!(error, WorkspaceError::Kernels(2)), "{error}");
        assert!(matches!(kernel_of(&[]).unwrap_err(), WorkspaceError::Kernels(0)));
    }

    #[test]
    fn metadata_that_leaves_something_out_is_refused() {
        assert!(read(&json!({})).is_err());
        let mut metadata = metadata(&["kernel"]);
        metadata["packages"][0]["name"] = Value::Null;
        assert!(read(&metadata).is_err());
    }
}
