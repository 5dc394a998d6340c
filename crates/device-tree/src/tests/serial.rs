//! Which serial port is the console.

use super::*;

const KIND: &str = "test,uart";

fn port(start: u32) -> Node {
    node(&format!("serial@{start:x}"))
        .bytes("compatible", b"test,uart\0")
        .cells("reg", &[0, start, 0, 0x100])
}

fn chosen(path: &[u8]) -> Node {
    node("chosen").bytes("stdout-path", path)
}

fn found(nodes: impl IntoIterator<Item = Node>) -> Result<String, SerialError> {
    let blob = root(nodes).blob();
    serial_port(&Fdt::new(&blob).unwrap(), KIND).map(|port| port.name)
}

#[test]
fn the_first_port_that_can_be_used_is_the_console_if_none_is_named() {
    let broken = || node("serial@0").bytes("compatible", b"test,uart\0");
    assert_eq!(found([broken(), port(0x1000), port(0x2000)]).unwrap(), "serial@1000");
    for nowhere in [&b""[..], b"\0", b"/none\0", b"serial0\0", b"\xff\0", b":115200\0"] {
        assert_eq!(found([chosen(nowhere), port(0x1000)]).unwrap(), "serial@1000", "{nowhere:?}");
    }
    let fault = NodeFault::NoReg;
    let name = "serial@0".to_owned();
    assert_eq!(found([broken()]), Err(SerialError::Node(NodeError { name, fault })));
    assert_eq!(found([node("chosen")]), Err(SerialError::NoPort { kind: KIND.to_owned() }));
}

#[test]
fn the_named_port_is_the_console() {
    let alias = || node("aliases").bytes("serial1", b"/serial@2000\0");
    for path in
        [&b"/serial@2000\0"[..], b"/serial@2000:115200n8\0", b"serial1\0", b"serial1:9600\0"]
    {
        let tree = [chosen(path), alias(), port(0x1000), port(0x2000)];
        assert_eq!(found(tree).unwrap(), "serial@2000", "{path:?}");
    }
    let other = node("screen").cells("reg", &[0, 0x3000, 0, 0x100]);
    let error = found([chosen(b"/screen\0"), other, port(0x1000)]).unwrap_err();
    assert_eq!(error.to_string(), "the console is screen, which is no serial port (test,uart)");
    // A broken one is not replaced by another one.
    let broken = node("serial@0").bytes("compatible", b"test,uart\0");
    let error = found([chosen(b"/serial@0\0"), broken, port(0x1000)]).unwrap_err();
    assert!(matches!(error, SerialError::Node(_)), "{error}");
}

#[test]
fn registers_that_lie_otherwise_are_refused() {
    for (property, plain, other) in
        [("reg-shift", 0, 2), ("reg-io-width", 1, 4), ("reg-offset", 0, 0x100)]
    {
        assert!(found([port(0x1000).cells(property, &[plain])]).is_ok());
        let error = found([port(0x1000).cells(property, &[other])]).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("serial@1000") && words.contains(property), "{words}");
        assert!(found([port(0x1000).bytes(property, b"\0")]).is_err());
        // That of the console counts.
        let nodes =
            [chosen(b"/serial@2000\0"), port(0x1000).cells(property, &[other]), port(0x2000)];
        assert!(found(nodes).is_ok());
    }
}
