#!/usr/bin/env python3
"""For Classroom 50: put this into your classroom50 repository, as
CLASSROOM/autograders/ASSIGNMENT/autograder.py. Its runner starts it in the
student's checkout and reads result.json there."""

import os
import subprocess
from pathlib import Path

# The tree with the solution, and the version of it that your class has.
REPOSITORY = "https://git.example.org/driver-lab.git"
VERSION = "main"

submission = Path.cwd()
lab = Path(os.environ["RUNNER_TEMP"]) / "driver-lab"


def run(*command, **more):
    # A command that fails ends the script with an error: the runner reports one of its own, and no points.
    return subprocess.run(command, check=True, cwd=lab, **more)


subprocess.run(["git", "clone", "--quiet", REPOSITORY, lab], check=True)
run("git", "checkout", "--quiet", VERSION)
run("make", "setup")
# Ubuntu forbids it to programs that it does not know.
run("sudo", "sysctl", "-w", "kernel.apparmor_restrict_unprivileged_userns=0")
run("tools/setup.sh", "bwrap")

cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "bin"
environment = {
    **os.environ,
    "PATH": f"{cargo}:{os.environ['PATH']}",
    "CARGO_TARGET_DIR": str(lab / "target"),
}
graded = run(
    "cargo", "run", "--quiet", "--package", "course", "--",
    "grade", "--format", "classroom50", "--submission", str(submission),
    env=environment, stdout=subprocess.PIPE,
)
(submission / "result.json").write_bytes(graded.stdout)
