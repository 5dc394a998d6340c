//! Programs within the walls, and what they must not be able to do.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use anyhow::{Result, bail, ensure};

use crate::sandbox::Sandbox;

/// Tries each; returns its name and how it went.
pub fn trials(
    sandbox: &Sandbox,
    secret: &Path,
    token: &str,
    variable: &str,
) -> Vec<(&'static str, Result<()>)> {
    let shell = |script: &str| -> Result<Output> {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        let mut walls = sandbox.wrap(command, &[], &[]);
        walls.env(variable, token);
        Ok(walls.output()?)
    };
    let fails = |script: &str| -> Result<()> {
        let output = shell(script)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(!output.status.success(), "{script} works, and prints {printed}");
        ensure!(!printed.contains(token), "{script} prints the secret");
        Ok(())
    };
    let path = secret.display();
    vec![
        (
            "a program runs",
            shell("true").and_then(|output| {
                ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Ok(())
            }),
        ),
        ("a file of the user is not read", fails(&format!("cat '{path}'"))),
        ("nothing is written beside it", fails(&format!("echo x > '{path}.new'"))),
        (
            "the toolchain is not written to",
            fails("touch \"$RUSTUP_HOME\"/x \"$CARGO_HOME\"/registry/x"),
        ),
        ("nor are the programs of the host", fails("touch /usr/bin/x")),
        ("the environment is not handed on", fails(&format!("test -n \"${variable}\""))),
        ("the login to a registry is not there", fails("test -e \"$CARGO_HOME\"/credentials.toml")),
        ("there is no network", no_network(&fails)),
        ("other processes are not seen", fails("test $(ls -d /proc/[0-9]* | wc -l) -gt 8")),
        ("nothing is left running", nothing_left(&shell)),
        ("memory has a limit", fails("ulimit -v unlimited")),
        ("files have a limit", fails("ulimit -f unlimited")),
        ("time of the processor has a limit", fails("ulimit -t unlimited")),
    ]
}

fn no_network(fails: &dyn Fn(&str) -> Result<()>) -> Result<()> {
    // Someone listens, so that only the walls can be the reason.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    fails(&format!("echo x > /dev/tcp/127.0.0.1/{port}"))
}

fn nothing_left(shell: &dyn Fn(&str) -> Result<Output>) -> Result<()> {
    // No other process has such a name.
    let seconds = format!("{}.25", fastrand::u32(100_000..999_999));
    shell(&format!("setsid sleep {seconds} >/dev/null 2>&1 & disown"))?;
    // The processes of a namespace end after the program that it was made for.
    for _ in 0..50 {
        if !runs(&seconds)? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("a process that was left behind still runs")
}

/// Returns `true` if a process has this word on its command line.
fn runs(word: &str) -> Result<bool> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(word) {
            return Ok(true);
        }
    }
    Ok(false)
}
