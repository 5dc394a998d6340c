//! What suites need is compiled while earlier ones run: these leave the processors idle at times.

use lab::{
    arch::Arch,
    process,
    workspace::{Member, Profile, Workspace},
};

use crate::{e2e, files_proof};

/// Compiles the kernels, and the program of the suite files-proof. What does not compile is left to the suite that needs
/// it, which tries again and tells.
pub fn compile(workspace: &Workspace) {
    if let Ok(kernel) = workspace.kernel() {
        for (arch, profile) in [
            (Arch::Riscv64, Profile::Release),
            (Arch::Riscv64, Profile::Road),
            (Arch::Riscv64, Profile::Dev),
            (Arch::X86_64, Profile::Dev),
        ] {
            build(workspace, arch, kernel, profile);
        }
    }
    if let Ok(own) = workspace.member(e2e::OWN_KERNEL) {
        build(workspace, Arch::Riscv64, own, Profile::Dev);
    }
    let log = workspace.log("ahead", "files-proof");
    if process::new_log(&log).is_ok() {
        let _ = process::run(files_proof::build(workspace), workspace.limit(900), &log);
    }
}

fn build(workspace: &Workspace, arch: Arch, package: &Member, profile: Profile) {
    let log = workspace.log("ahead", &format!("{}-{arch}-{profile:?}", package.name));
    if process::new_log(&log).is_ok() {
        let _ = workspace.build_for(arch, package, profile, "ahead", &log);
    }
}
