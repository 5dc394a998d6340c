# The one front door. Every target that needs something installed runs tools/setup.sh first.
# What the targets do is written elsewhere: OSDK.toml (QEMU), host/xtask/ (tests), tools/ (set-up).

# OSDK builds a generated crate inside the target folder, and rustup finds the pinned toolchain only
# from a folder below this one. So the target folder stays here, whatever the user's own settings are.
export CARGO_TARGET_DIR := $(CURDIR)/target
# rust-toolchain.toml decides, also where a user has chosen another toolchain for the shell.
unexport RUSTUP_TOOLCHAIN
# A rustup that was installed a minute ago is not yet in the PATH of this shell.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)
# Read by tools/qemu-run.sh: make run JOB='write sector=5 text="two words"'
export JOB
# ARCH=x86_64 is the machine of most people's computers, and BUS=pci puts the devices of the RISC-V machine on PCI.
export BUS
# The same choice for the programs of the host, which say what there is.
BOARD = $(if $(ARCH),--arch $(ARCH)) $(if $(BUS),--bus $(BUS))

XTASK := cargo run --quiet --package xtask --

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: setup ## Boot the kernel in QEMU; JOB="read sector=3" names the job, the default is the demo; ARCH=x86_64, BUS=pci
	$(if $(filter loongarch64,$(ARCH)),@tools/setup.sh loongarch)
	@cargo osdk run --release --target-arch=$(or $(ARCH),riscv64)

.PHONY: run-gui
run-gui: export GUI := $(or $(GUI),auto)
run-gui: setup ## The same with a screen, a keyboard and a tablet, in a window or by VNC; GUI=gtk, sdl or vnc chooses
	@cargo osdk run --release --target-arch=$(or $(ARCH),riscv64)

.PHONY: screenshot
screenshot: setup ## Write what JOB="..." leaves on the screen to target/screenshot.png, without a window; OUT=x.png TYPE='ls\npoweroff'
	@tools/mkimage.sh
	@tools/mkfiles.sh
	@$(XTASK) screenshot $(if $(JOB),"$$JOB") $(if $(OUT),--out "$(OUT)") $(if $(TYPE),--type "$$TYPE")

.PHONY: test
test: setup ## Run every test, in about half an hour the first time: lint, in the kernel, from outside, costs, lying and failing disks, grading
	@tools/setup.sh bwrap
	@$(XTASK) test

.PHONY: lint
lint: setup ## Check formatting, clippy, rustdoc, and the books' links and equality
	@$(XTASK) lint

.PHONY: ktest
ktest: setup ## Run the unit tests of the kernel and its crates in QEMU, on each machine; ARCH=x86_64 on that one
	@$(XTASK) ktest $(if $(ARCH),--arch $(ARCH))

.PHONY: e2e
e2e: setup ## Boot the real kernel on many machines and check the disks from the host
	@$(XTASK) e2e

.PHONY: dts
dts: setup ## Write QEMU's device tree of the lab machine, as text, to target/lab.dts
	@tools/setup.sh dtc
	@tools/dts.sh

.PHONY: gdb
gdb: setup ## Debug the kernel: QEMU waits at its first instruction, gdb stops in VirtioBlk::write_block
	@tools/setup.sh gdb
	@tools/gdb.sh $(GDB)

.PHONY: flamegraph
flamegraph: setup ## Draw where the instructions of a job go, in target/flamegraph.svg; JOB="..." names it
	@tools/mkimage.sh
	@$(XTASK) flamegraph $(if $(JOB),"$$JOB")

.PHONY: trace
trace: setup ## Draw the way of one request with its real times, in target/trace; JOB="..." names it, TRACE="--lang zh"
	@$(XTASK) trace $(if $(JOB),"$$JOB") $(TRACE)

.PHONY: road
road: setup ## Count the functions, files and types on the road of one read
	@$(XTASK) road

.PHONY: mutants
mutants: setup ## Try small mistakes in the driver core on the unit tests; FILTER=queue/split tries some of them
	@$(XTASK) mutants $(FILTER)

.PHONY: fmt
fmt: setup ## Format the source
	@cargo fmt --all

.PHONY: setup
setup: ## Install what is missing: Rust toolchain, cargo-osdk, QEMU
	@tools/setup.sh

.PHONY: doctor
doctor: ## Check each requirement, install nothing
	@tools/doctor.sh

.PHONY: reset-image
reset-image: ## Make blk.img anew; what was on it is lost
	@tools/mkimage.sh --reset

.PHONY: image
image: setup ## Pack the folder DIR=... into the disk image IMG=...; SIZE=64M, or what is needed and a reserve
	@cargo run --quiet --package sfs-image -- pack "$(or $(DIR),$(error which folder? say DIR=folder))" "$(or $(IMG),$(error which image? say IMG=x.img))" $(if $(SIZE),--size "$(SIZE)")

.PHONY: hostile
hostile: setup ## Boot the kernel on a disk that lies, once for each way to lie; ARCH=x86_64, BUS=pci
	@cargo run --quiet --package hostile -- run $(BOARD)

.PHONY: bench
bench: setup ## Measure this kernel, virtio-drivers, Linux and the bare host; BENCH="--quick" tries it out; ARCH=x86_64, BUS=pci
	@$(XTASK) bench $(BOARD) $(BENCH)

.PHONY: soak
soak: setup ## Cut the power 200 times and make half a million requests to failing disks; ARCH=x86_64, BUS=pci
	@$(XTASK) soak $(BOARD)

.PHONY: files-proof
files-proof: setup ## Try to break the file system on the host: power cuts, errors, damaged images, races; long
	@$(XTASK) files-proof

.PHONY: figures
figures: setup ## Write the book's page of figures from what ktest, hostile, soak, files-proof and bench have measured
	@$(XTASK) figures

COURSE := $(if $(wildcard target/debug/course),,echo "building the programs of the course, once: some minutes" >&2;) \
	cargo run --quiet --package course --

.PHONY: grade
grade: setup ## Grade the exercises in this tree; EX=1 only that one, SUBMISSION=dir or file another's, SEED= repeats
	$(if $(SUBMISSION),@tools/setup.sh bwrap)
	@$(COURSE) grade $(if $(EX),--exercises $(EX)) $(if $(SEED),--seed $(SEED)) $(if $(SUBMISSION),--submission "$(SUBMISSION)") $(GRADE)

.PHONY: hint
hint: setup ## Show the next hint of exercise EX=1
	@$(COURSE) hint $(or $(EX),$(error which exercise? say EX=1))

.PHONY: reset
reset: setup ## Put the stub of exercise EX=1 back; what was written there is kept below target
	@$(COURSE) reset $(or $(EX),$(error which exercise? say EX=1))

.PHONY: watch
watch: setup ## Grade each time that an exercise's file is saved; EX=1 only that one
	@$(COURSE) watch $(if $(EX),--exercises $(EX))

.PHONY: submit
submit: setup ## Pack the exercise files for submission, in a file below target; STUDENT=... is part of its name
	@$(COURSE) submit $(if $(STUDENT),--name "$(STUDENT)")

.PHONY: export
export: setup ## Write the student's tree to DIR=...; EXERCISES=1-4 opens only these
	@$(COURSE) export "$(or $(DIR),$(error where to? say DIR=../lab))" $(if $(EXERCISES),--exercises $(EXERCISES))

.PHONY: grade-all
grade-all: setup ## Grade a class: SUBMISSIONS=dir has a folder or file for each; OUT=csv, EXERCISES=1-4, ROSTER=csv, EARLIER=dir
	@tools/setup.sh bwrap
	@$(COURSE) grade-all "$(or $(SUBMISSIONS),$(error where are they? say SUBMISSIONS=dir))" $(if $(OUT),--out "$(OUT)") $(if $(SEED),--seed $(SEED)) $(if $(EXERCISES),--exercises $(EXERCISES)) $(if $(ROSTER),--roster "$(ROSTER)") $(if $(EARLIER),--earlier "$(EARLIER)") $(GRADE)

.PHONY: grade-selftest
grade-selftest: setup ## Grade all variants that are known to be wrong or right, and a class with attacks
	@tools/setup.sh bwrap
	@$(COURSE) selftest
	@$(COURSE) trial

# A screenshot in the book: its name, and what `make screenshot` is told.
shot = { $(MAKE) --no-print-directory screenshot OUT=target/book/en/shots/$(1).png $(2) && \
    cp target/book/en/shots/$(1).png target/book/zh/shots/; } || \
    echo "the book has no screenshot $(1).png, and says so; the lines above say why" >&2

.PHONY: docs
docs: ## Make HTML of the book, in both languages, in target/book, with screenshots where they can be made
	@command -v mdbook >/dev/null || { echo "mdbook 0.5 is missing; get it with: cargo install mdbook --version 0.5.4 --locked --no-default-features --features search" >&2; exit 1; }
	@mdbook build docs/en
	@mdbook build docs/zh
	@cp docs/index.html target/book/index.html
	@mkdir -p target/book/en/shots target/book/zh/shots
	@$(call shot,picture,JOB=picture)
	@$(call shot,plot,JOB='plot mode=randread bs=4096 qd=4 count=5000')
	@$(call shot,screen,JOB=screen TYPE='tree /\ncat /rust/hello.rs\necho hello > /笔记\nls\npoweroff')

.PHONY: doc
doc: setup ## Make the reference of all crates with rustdoc, below target
	@$(XTASK) doc

.PHONY: clean
clean: ## Remove everything that was built; blk.img and sfs.img stay
	@rm -rf target
