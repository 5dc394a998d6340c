//! Unit tests of the command lines of jobs, and of the texts that jobs print.

use ostd::prelude::ktest;

use super::{
    text::{Count, DumpLine, Name, Text},
    *,
};
use crate::unusable::Unusable;

fn mistake(line: &str) -> String {
    match Job::parse(line.as_bytes()) {
        Ok(job) => panic!("{line} is taken for a job {}", job.name),
        Err(Mistake { job, text }) => format!("{job}: {text}"),
    }
}

#[ktest]
fn every_job_is_found_by_its_name() {
    for (line, name) in [
        ("", "demo"),
        ("job=demo --", "demo"),
        ("job=info disk=lab", "info"),
        ("job=devices", "devices"),
        ("job=events", "events"),
        ("job=events count=5 seconds=9", "events"),
        ("job=flush ostd.log_level=debug", "flush"),
        ("job=read sector=3", "read"),
        ("job=read sector=0x10 count=2 virtio.polling=on", "read"),
        ("job=write sector=3 text=\"two words\"", "write"),
        ("job=write sector=3 hex=00fF", "write"),
        ("job=slices sector=1 seed=2 count=3 slots=4 stream=on", "slices"),
        ("job=lookup disk=sfs to=answers list=0 at=100", "lookup"),
        ("job=cached scene=scan seed=1 slots=64", "cached"),
        ("job=commits scene=move seed=1 count=2 mark=3 to=0", "commits"),
        ("job=verify seed=1 count=2 qd=3 span=4 max=5 disk=1", "verify"),
        ("job=fs ticks=500 disk=sfs", "fs"),
        ("job=ls", "ls"),
        ("job=ls path=/rust", "ls"),
        ("job=cat path=\"/two words\"", "cat"),
        ("job=stat path=/", "stat"),
        ("job=tree path=/rust", "tree"),
        ("job=shell disk=sfs", "shell"),
        ("job=screen disk=sfs output=1 hold=on", "screen"),
        ("job=picture", "picture"),
        ("job=paint image=/one.bmp disk=sfs output=1 hold=on", "paint"),
        ("job=plot mode=randread bs=4096 qd=8 seconds=1 disk=lab output=1 hold=on", "plot"),
        ("job=frames mode=rect count=1000 complete=poll icount=on", "frames"),
        ("job=picture shape=square output=1 hold=on", "picture"),
        ("job=rects scene=several seed=4 pause=2 hold=on", "rects"),
        ("job=fsbench mode=randread path=/large threads=8 bs=512 count=9 rounds=2", "fsbench"),
        ("job=fsbench mode=readdir path=/names icount=on disk=sfs", "fsbench"),
        ("job=churn seed=1 threads=4 count=4294967295 keep=3 sync_every=9 one_dir=on", "churn"),
    ] {
        let job = Job::parse(line.as_bytes()).map_err(|mistake| mistake.text);
        assert_eq!(job.map(|job| job.name), Ok(name), "{line}");
    }
}

#[ktest]
fn mistakes_say_what_is_possible() {
    let text = mistake("job=juggle");
    assert!(["demo", "info", "read", "write", "flush", "verify"].iter().all(|n| text.contains(n)));
    let text = mistake("job=read sector=1 sectors=2");
    assert!(text.starts_with("read: ") && text.contains("sectors"));
    assert!(text.contains("sector=N") && text.contains("count=M") && text.contains("disk="));
    assert!(mistake("job=read").contains("sector"));
    assert!(mistake("job=devices disk=lab").contains("disk"));
    assert!(mistake("job=events count=0").contains("count"));
    assert!(mistake("job=events seconds=soon").contains("seconds"));
    assert!(mistake("job=events disk=lab").contains("count=N"));
    assert!(mistake("job=cat").contains("path=PATH") && mistake("job=stat").contains("path=PATH"));
    assert!(mistake("job=fs ticks=many").contains("ticks"));
    assert!(mistake("job=fsbench path=/").contains("mode=seqread"));
    assert!(mistake("job=fsbench mode=create").contains("path=PATH"));
    assert!(mistake("job=fsbench mode=create path=/ threads=0").contains("threads"));
    assert!(mistake("job=shell path=/").contains("path"));
    assert!(mistake("job=frames count=1").contains("mode=full"));
    assert!(mistake("job=frames mode=rect count=0").contains("count"));
    assert!(mistake("job=frames mode=rect count=1 complete=hybrid").contains("complete"));
    assert!(mistake("job=picture shape=round").contains("square"));
    assert!(mistake("job=picture hold=maybe").contains("on"));
    assert!(mistake("job=rects seed=1").contains("scene=places"));
    assert!(mistake("job=paint path=/x").contains("image=PATH"));
    assert!(mistake("job=plot bs=512 qd=1").contains("mode=randread"));
    // Nothing is seen of a disk.
    assert!(mistake("job=info hold=on").contains("hold"));
    assert!(mistake("job=churn seed=1 count=1").contains("threads=T"));
    assert!(mistake("job=churn seed=1 threads=65 count=1").contains("threads"));
    assert!(mistake("job=churn seed=1 threads=1 count=1 keep=0").contains("keep"));
    assert!(mistake("job=read sector=1 count=0").contains("count"));
    assert!(mistake("job=write sector=1").contains("text"));
    assert!(mistake("job=write sector=1 text=a hex=00").contains("hex"));
    for hex in ["0", "0g", "abc", &"00".repeat(513)] {
        assert!(mistake(&format!("job=write sector=1 hex={hex}")).contains("hexadecimal"));
    }
    assert!(mistake(&format!("job=write sector=1 text={}", "x".repeat(513))).contains("512"));
    assert!(mistake("job=verify seed=1 count=1").contains("qd"));
    assert!(mistake("job=verify seed=1 count=1 qd=0").contains("qd"));
    let blocking = mistake("job=bench mode=read bs=512 api=blocking complete=irq");
    assert!(blocking.contains("api=blocking"), "{blocking}");
    assert!(mistake("job=bench mode=read bs=512 api=blocking qd=2").contains("qd"));
    assert!(mistake("job=demo virtio.queue_size=2000").contains("1024"));
    assert!(mistake("job=demo virtio.event_idx=maybe").contains("on"));
    assert!(Job::parse(b"job=demo \xff").is_err());
}

#[ktest]
fn driver_options_are_read() {
    let line = "virtio.queue_size=8 virtio.event_idx=off virtio.indirect_desc=off";
    let job = Job::parse(line.as_bytes()).ok().unwrap();
    let expected = Options {
        virtio: virtio::options::Options {
            queue_size: 8,
            event_idx: false,
            indirect_desc: false,
            ..virtio::options::Options::default()
        },
        ..Options::default()
    };
    let other = Job::parse(b"virtio.polling=on dma.coherent=off timeout_ms=5").ok().unwrap();
    let virtio = virtio::options::Options { timeout_ms: 5, ..virtio::options::Options::default() };
    let expected_other = Options { virtio, polling: true, cache_coherent: false };
    assert_eq!(*other.driver_options(), expected_other);
    assert_eq!(*job.driver_options(), expected);
    assert_eq!(*Job::parse(b"").ok().unwrap().driver_options(), Options::default());
}

#[ktest]
fn text_and_dumps_are_readable() {
    let show = |bytes: &[u8]| format!("{}", Text(bytes));
    assert_eq!(show(b"Hello\0junk"), "\"Hello\"");
    assert_eq!(show(b"a\"\n\xff"), "\"a\\\"\\n\\xff\"");
    assert_eq!(show(&[b'x'; 100]).len(), 64 + 2 + 3);
    assert_eq!(format!("{}", Text(b"\0abc").unquoted()), "");
    assert_eq!(format!("{}", Text(b"a\"\n\0").unquoted()), "a\\\"\\n");
    let line = DumpLine { address: 0x600, bytes: b"Hello, VirtIO!\0\xff" };
    assert_eq!(
        format!("{line}"),
        "00000600  48 65 6c 6c 6f 2c 20 56 69 72 74 49 4f 21 00 ff  |Hello, VirtIO!..|"
    );
    assert_eq!(format!("{}", Name("a\u{4f60}\"\n\u{1b}[2J")), "a\u{4f60}\"\\n\\u{1b}[2J");
    assert_eq!(format!("{} {}", Count(1, "byte"), Count(0, "sector")), "1 byte 0 sectors");
}

#[ktest]
fn a_missing_disk_is_explained() {
    // No disk is registered while unit tests run.
    for line in ["", "disk=lab"] {
        let failure = Disk::find(&CommandLine::parse(line).unwrap()).err();
        assert_eq!(failure, Some(Failure::NoDisk { unusable: Vec::new() }));
        assert!(
            failure.unwrap().to_string().starts_with("no disk found; give QEMU one with -drive")
        );
    }
    let unusable = |place: &str, reason: &str| Unusable {
        kind: "block",
        place: place.into(),
        reason: reason.into(),
    };
    let broken = unusable("virtio-mmio 0x10008000", "it is broken");
    assert_eq!(
        Failure::NoDisk { unusable: [broken.clone()].into() }.to_string(),
        "the disk at virtio-mmio 0x10008000 could not be used: it is broken"
    );
    assert_eq!(
        Failure::NoDisk { unusable: [broken, unusable("bus 1", "no")].into() }.to_string(),
        "the disk at virtio-mmio 0x10008000 could not be used: it is broken; \
         the disk at bus 1 could not be used: no"
    );
    let failure =
        Failure::NoSuchDisk { wanted: "c".into(), serials: ["a".into(), String::new()].into() };
    assert_eq!(format!("{failure}"), "there is no disk \"c\"; disk= takes one of: 0 (a) 1");
}

#[ktest]
fn a_missing_disk_to_write_to_says_what_to_type() {
    // Not the first disk, as elsewhere: that may be the one with the files.
    for line in ["job=lookup list=0 at=1", "job=commits scene=create seed=1 count=1 mark=0"] {
        let job = Job::parse(line.as_bytes()).ok().unwrap();
        let failure = (job.prepared)(&job.line).err().unwrap().to_string();
        assert!(failure.contains("to=SERIAL|INDEX"), "{line}: {failure}");
    }
}

#[ktest]
fn a_missing_screen_is_explained() {
    // No screen is registered while unit tests run.
    let failure = Screen::find(&CommandLine::parse("output=1").unwrap()).err().unwrap();
    assert_eq!(failure, Failure::NoScreen { unusable: Vec::new() });
    assert!(failure.to_string().contains("-device virtio-gpu-device"), "{failure}");
    let failure = Failure::NoSuchScreen { wanted: 2, count: 2 };
    assert_eq!(failure.to_string(), "there is no output 2; output= takes a number from 0 to 1");
}

#[ktest]
fn a_job_is_given_what_it_needs_and_nothing_else() {
    struct Modest;

    impl Run for Modest {
        const NAME: &'static str = "modest";
        const PARAMETERS: &'static [&'static str] = &["x=N"];
        type Needs = ();

        fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
            Ok(Self)
        }

        fn run(&self, (): &()) -> Result<String, Failure> {
            Ok(String::from("done"))
        }
    }

    let kind = Kind::of::<Modest>();
    let line = CommandLine::parse("x=1").unwrap();
    let work = kind.read(&line).ok().unwrap();
    assert_eq!(work(&line), Ok(String::from("done")));
    // The disk is not its business.
    let mistake = kind.read(&CommandLine::parse("disk=lab").unwrap()).err();
    assert!(mistake.is_some_and(|mistake| mistake.to_string().contains("disk")));

    let line = CommandLine::parse("job=info").unwrap();
    let work = Kind::of::<info::Info>().read(&line).ok().unwrap();
    assert!(matches!(work(&line), Err(Failure::NoDisk { .. })));
}
