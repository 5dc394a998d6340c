#!/bin/bash
# Gradescope runs this once, when it makes the image of the autograder. Zip this file and run_autograder, not
# their folder, and upload the zip.
set -euo pipefail

# The tree with the solution, and the version of it that your class has.
repository=https://git.example.org/driver-lab.git
version=main

apt-get update
apt-get install -y git make curl build-essential
git clone "$repository" /autograder/lab
cd /autograder/lab
git checkout "$version"
make setup
# The first build takes the longest; what it makes is part of the image.
cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
PATH=$cargo_bin:$PATH CARGO_TARGET_DIR=$PWD/target cargo build --package course
make grade EX=1
