use std::{
    io::{Read as _, Write as _},
    thread::{self, JoinHandle},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// The server's end of a connection.
struct Server(UnixStream);

impl Server {
    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn hear<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Lets a client in to a screen of 4x2 pixels.
    fn welcome(&mut self) {
        self.say(b"RFB 003.008\n");
        assert_eq!(&self.hear(), b"RFB 003.008\n");
        self.say(&[2, 19, 1]);
        assert_eq!(self.hear(), [1]);
        self.say(&[0; 4]);
        assert_eq!(self.hear(), [1]);
        self.say(&[0, 4, 0, 2]);
        self.say(&[0; 16]);
        self.say(b"\0\0\0\x04QEMU");
        assert_eq!(self.hear::<4>(), [0; 4]);
        assert_eq!(self.hear(), PIXEL_FORMAT);
        assert_eq!(self.hear(), [2, 0, 0, 3]);
        let encodings: [u8; 12] = self.hear();
        assert_eq!(encodings, [0, 0, 0, 0, 0xff, 0xff, 0xff, 0x11, 0xff, 0xff, 0xfe, 0xcc]);
    }

    fn expect_request(&mut self, width: u8, height: u8) {
        assert_eq!(self.hear(), [3, 0, 0, 0, 0, 0, 0, width, 0, height]);
    }

    /// Begins an update.
    fn update(&mut self, rectangles: u8) {
        self.say(&[0, 0, 0, rectangles]);
    }

    fn rectangle(&mut self, place: [u16; 4], encoding: i32) {
        self.say(place.map(u16::to_be_bytes).as_flattened());
        self.say(&encoding.to_be_bytes());
    }

    /// A rectangle of one colour.
    fn fill(&mut self, place: [u16; 4], [red, green, blue]: Rgb) {
        self.rectangle(place, RAW);
        for _ in 0..place[2] * place[3] {
            self.say(&[red, green, blue, 99]);
        }
    }

    fn size(&mut self, place: [u16; 4]) {
        self.rectangle(place, EXTENDED_DESKTOP_SIZE);
        self.say(&[1, 0, 0, 0]);
        self.say(&[7; 16]);
    }
}

/// A client, and a server that goes on like this behind the welcome.
fn connect(serve: impl FnOnce(&mut Server) + Send + 'static) -> (Vnc, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut server = Server(theirs);
        server.welcome();
        serve(&mut server);
    });
    (Vnc::over(ours, PATIENCE).unwrap(), server)
}

/// The error of a client whose server says this first.
fn turned_away(by: &[u8]) -> VncError {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(by).unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    Vnc::over(ours, PATIENCE).unwrap_err()
}

#[test]
fn a_screen_comes_in_pieces() {
    let (mut vnc, server) = connect(|server| {
        server.expect_request(4, 2);
        server.update(2);
        server.fill([0, 0, 4, 1], [1, 2, 3]);
        // A piece that has come already does not count again.
        server.fill([0, 0, 4, 1], [4, 5, 6]);
        server.say(&[2]);
        server.say(b"\x03\0\0\0\0\0\0\x02hi");
        server.say(&[1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9]);
        server.update(1);
        server.fill([0, 1, 4, 1], [7, 8, 9]);
    });
    let expected = Picture::from_fn(4, 2, |_, y| [[4, 5, 6], [7, 8, 9]][y as usize]);
    vnc.screen().unwrap().expect(&expected).unwrap();
    assert_eq!(vnc.cursor(), None);
    server.join().unwrap();
}

#[test]
fn a_screen_that_changes_its_size_is_asked_for_again() {
    let (mut vnc, server) = connect(|server| {
        server.expect_request(4, 2);
        server.update(1);
        server.fill([0, 0, 4, 1], [1; 3]);
        server.update(1);
        server.size([0, 0, 2, 3]);
        server.expect_request(2, 3);
        server.update(1);
        server.fill([0, 0, 2, 3], [2; 3]);
    });
    vnc.screen().unwrap().expect(&Picture::from_fn(2, 3, |_, _| [2; 3])).unwrap();
    server.join().unwrap();
}

#[test]
fn a_cursor_has_a_mask() {
    let (mut vnc, server) = connect(|server| {
        server.expect_request(4, 2);
        server.update(2);
        // Nine columns need two bytes a row.
        server.rectangle([8, 1, 9, 2], CURSOR);
        server.say(&[[10, 20, 30, 0]; 18].concat());
        server.say(&[0x80, 0x80, 0x00, 0x7f]);
        server.fill([0, 0, 4, 2], [0; 3]);
    });
    vnc.screen().unwrap();
    let cursor = vnc.cursor().unwrap();
    assert_eq!((cursor.size, cursor.hotspot), ((9, 2), (8, 1)));
    let opaque: Vec<_> = (0..18).filter(|at| cursor.pixels[*at].is_some()).collect();
    assert_eq!(opaque, [0, 8]);
    assert_eq!(cursor.pixels[8], Some([10, 20, 30]));
    server.join().unwrap();
}

#[test]
fn a_wish_for_another_size_is_answered() {
    let (mut vnc, server) = connect(|server| {
        let wish = [251, 0, 1, 44, 0, 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 44, 0, 200, 0, 0, 0, 0];
        assert_eq!(server.hear(), wish);
        server.update(1);
        server.size([1, 4, 4, 2]);
        // The guest does it later.
        server.update(1);
        server.size([0, 0, 300, 200]);
        assert_eq!(server.hear(), wish);
        server.update(1);
        server.size([1, 3, 300, 200]);
    });
    vnc.resize(300, 200).unwrap();
    let error = vnc.resize(300, 200).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the VNC server refuses a size of 300x200 pixels with status 3: invalid screen layout"
    );
    server.join().unwrap();
}

#[test]
fn pointer_and_keys_are_told() {
    let (mut vnc, server) = connect(|server| {
        assert_eq!(server.hear(), [5, 1, 1, 44, 0, 7]);
        assert_eq!(server.hear(), [4, 1, 0, 0, 0, 0, 0xff, 0x0d]);
        assert_eq!(server.hear(), [4, 0, 0, 0, 0, 0, 0xff, 0x0d]);
    });
    vnc.point(300, 7, LEFT).unwrap();
    vnc.key(0xff0d, true).unwrap();
    vnc.key(0xff0d, false).unwrap();
    server.join().unwrap();
}

#[test]
fn nobody_is_let_in_by_what_is_no_server() {
    let error = turned_away(b"RFB 003.003\n");
    assert!(matches!(&error, VncError::Version(text) if text == "RFB 003.003\n"), "{error}");
    let error = turned_away(b"RFB 003.008\n\x01\x02");
    assert!(matches!(&error, VncError::Security(types) if types == &[2]), "{error}");
    let error = turned_away(b"RFB 003.008\n\x00\0\0\0\x04full");
    assert!(matches!(&error, VncError::Refused(reason) if reason == "full"), "{error}");
    let error = turned_away(b"RFB 003.008\n\x01\x01\0\0\0\x01\0\0\0\x02no");
    assert!(matches!(&error, VncError::Refused(reason) if reason == "no"), "{error}");
    let error = turned_away(b"RFB");
    assert!(matches!(error, VncError::Silent(_)), "{error}");
}

#[test]
fn what_was_not_asked_for_is_an_error() {
    let error = |serve: fn(&mut Server)| {
        // A server that goes away before it has heard the request is another error.
        let (mut vnc, server) = connect(move |server| {
            server.expect_request(4, 2);
            serve(server);
        });
        let error = vnc.screen().unwrap_err();
        server.join().unwrap();
        error
    };
    assert!(matches!(error(|server| server.say(&[200])), VncError::Message(200)));
    let tight = error(|server| {
        server.update(1);
        server.rectangle([0, 0, 4, 2], 7);
    });
    assert!(matches!(tight, VncError::Encoding(7)), "{tight}");
    let outside = error(|server| {
        server.update(1);
        server.fill([1, 0, 4, 2], [0; 3]);
    });
    assert!(
        matches!(outside, VncError::Outside { size: (4, 2), at: (1, 0), screen: (4, 2) }),
        "{outside}"
    );
}
