//! The layout, on a made-up trace.

use lab::language::Language;

use super::{
    chain::{Chain, Queue, Segment},
    steps::{Act, Lane, Step, Trace},
    svg, text,
};

fn trace() -> Trace {
    let segment = |address, length, device_writes| Segment { address, length, device_writes };
    let queue =
        Queue { index: 0, size: 1024, table: 0x84130000, available: 0x84134000, used: 0x84135000 };
    let chain = Chain {
        head: 1023,
        indirect: Some((0x84287de0, 48)),
        segments: vec![
            segment(0x84153ff0, 16, false),
            segment(0x841f1000, 512, true),
            segment(0x841443ff, 1, true),
        ],
        descriptors: vec![0x84287de0, 0x84287df0, 0x84287e00],
    };
    use Lane::{Device, Driver, Host, Queue as Shared};
    let acts = [
        (Driver, Driver, Act::Called),
        (Driver, Shared, Act::Prepared { request_type: 0, sector: u64::MAX, response: 255 }),
        (Driver, Shared, Act::Linked),
        (Driver, Shared, Act::Pointed { head: 1023, table: 0x84287de0, bytes: 48 }),
        (Driver, Shared, Act::Published { entry: 1023, head: 1023, index: 65535 }),
        (Shared, Driver, Act::Asked { event: 65535 }),
        (Driver, Device, Act::Notified { queue: 0 }),
        (Shared, Device, Act::Popped { reads: 33, writes: 33 }),
        (Device, Host, Act::Submitted { sector: u64::MAX, sectors: 8 }),
        (Shared, Driver, Act::Looked { index: 65535, times: 99 }),
        (Driver, Shared, Act::Armed { event: 65535 }),
        (Driver, Driver, Act::Slept),
        (Host, Host, Act::Accessed { offset: u64::MAX / 2, bytes: 4096 }),
        (Host, Device, Act::Done { result: 0 }),
        (Device, Shared, Act::Responded { status: 0 }),
        (Device, Shared, Act::Filled { entry: 1023, length: 4097 }),
        (Device, Shared, Act::Returned { index: 0 }),
        (Device, Driver, Act::Raised),
        (Driver, Driver, Act::Claimed { line: 8 }),
        (Device, Driver, Act::Inquired { causes: 1 }),
        (Driver, Device, Act::Acknowledged { causes: 1 }),
        (Shared, Driver, Act::Found { old: 65535, new: 0 }),
        (Shared, Driver, Act::Took { id: 1023, length: 4097 }),
        (Driver, Driver, Act::Woke),
        (Driver, Driver, Act::Resumed),
        (Shared, Driver, Act::Checked { status: 0 }),
        (Driver, Driver, Act::Ended),
    ];
    let steps = (0..).zip(acts).map(|(number, (from, to, act))| Step {
        // One long wait among short ones.
        at: number * 17 + if number > 11 { 1_000_000 } else { 0 },
        from,
        to,
        act,
        evidence: "virtqueue_pop vq <1> & \"2\"".to_owned(),
        frames: Vec::new(),
    });
    Trace {
        writes: false,
        sector: u64::MAX,
        bytes: 512,
        queue,
        chain,
        available: 65534,
        used: 65535,
        steps: steps.collect(),
    }
}

#[test]
fn the_picture_is_well_formed_and_no_text_leaves_it() {
    let trace = trace();
    for language in [Language::En, Language::Zh] {
        let picture = svg::svg(&trace, language);
        let document = roxmltree::Document::parse(&picture).unwrap();
        let attribute =
            |node: roxmltree::Node, name| -> f64 { node.attribute(name).unwrap().parse().unwrap() };
        let height = attribute(document.root_element(), "height");
        let mut texts = 0;
        for node in document.descendants().filter(|node| node.tag_name().name() == "text") {
            let size = attribute(node, "font-size");
            assert!(size >= 12.0);
            let (mut text, mut wide) = (String::new(), 0.0);
            for part in node.descendants().filter(|part| part.is_text()) {
                let of = part.parent().unwrap();
                let mono = of.attribute("class").is_some_and(|class| class.contains('m'));
                let room = if mono { svg::mono_width } else { svg::width };
                let before = of.attribute("dx").map_or(0.0, |dx| dx.parse().unwrap());
                wide += before + room(part.text().unwrap(), attribute(of, "font-size"));
                text += part.text().unwrap();
            }
            let x = attribute(node, "x");
            let left = match node.attribute("text-anchor") {
                Some("end") => x - wide,
                Some("middle") => x - wide / 2.0,
                _ => x,
            };
            assert!(left >= 0.0 && left + wide <= svg::WIDTH, "{text}: {left} to {}", left + wide);
            let y = attribute(node, "y");
            assert!(y > size && y < height, "{text}: {y} of {height}");
            texts += 1;
        }
        assert!(texts > 2 * trace.steps.len(), "{texts}");
        // It fits on a page, as wide as the text.
        assert!(height <= 1.45 * svg::WIDTH, "{height}");
        let rows = document.descendants().filter(|node| node.attribute("data-step").is_some());
        assert_eq!(rows.count(), trace.steps.len());
    }
}

#[test]
fn lanes_stand_in_order() {
    for pair in svg::LANES.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 + 100.0 < pair[1].1);
    }
    assert!(svg::LANES[3].1 < svg::WIDTH);
}

#[test]
fn a_long_wait_breaks_the_scale() {
    let picture = svg::svg(&trace(), Language::En);
    assert!(picture.contains(">1,000,017 µs<"), "{picture}");
    let mut even = trace();
    (0..).zip(&mut even.steps).for_each(|(number, step)| step.at = number);
    assert!(!svg::svg(&even, Language::En).contains("l3 -3l6 6"));
}

#[test]
fn the_text_has_all_steps_and_the_chain() {
    let trace = trace();
    for language in [Language::En, Language::Zh] {
        let text = text::text(&trace, language);
        assert_eq!(text.matches(" µs  ").count(), trace.steps.len());
        for figure in ["0x84153ff0    16", "0x841f1000   512", "0x841443ff     1"] {
            assert!(text.contains(figure), "{text}");
        }
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let page = super::html::html(&trace(), std::path::Path::new("/"), Language::En).unwrap();
    for outside in ["src=", "href=", "http://", "https://", "url("] {
        let found = page.matches(outside).count();
        // The name of SVG's own language is no address to fetch.
        let names = page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(found, if outside == "http://" { names } else { 0 }, "{outside}");
    }
    assert_eq!(page.matches("<section>").count(), trace().steps.len());
    assert!(page.contains("virtqueue_pop vq &lt;1&gt; &amp; &quot;2&quot;"));
}
