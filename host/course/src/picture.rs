//! A request as it should have been and as the device saw it, a box for each segment.

use serde::{Deserialize, Serialize};

use crate::{
    language::{Language, text},
    request::{Expected, HEADER, Kind, Request},
};

/// The segments of a request that are drawn; a broken driver may send more.
const MOST: usize = 8;

/// Both requests.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// As it should have been.
    pub should: Chain,
    /// As the device saw it.
    pub was: Chain,
}

/// A request as a chain of segments.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Its type, such as `OUT (1)`.
    pub kind: String,
    /// Its first sector.
    pub sector: u64,
    /// Its segments in order.
    pub segments: Vec<Segment>,
    /// The number of segments that are left out at the end.
    pub more: usize,
}

/// One box.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Its place in the request.
    pub role: Role,
    /// Its bytes.
    pub length: u32,
    /// The device writes it; otherwise it reads it.
    pub device_writes: bool,
}

/// The place of a segment in a request, VIRTIO 1.3 section 5.2.6.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The first one.
    Header,
    /// One between the first and the last.
    Data,
    /// The last one.
    Response,
}

impl Picture {
    /// Draws `wanted` and `seen`.
    pub fn new(wanted: &Expected, seen: &Request) -> Self {
        let data = Segment {
            role: Role::Data,
            length: wanted.length,
            device_writes: wanted.device_writes(),
        };
        let mut segments = vec![
            Segment { role: Role::Header, length: HEADER, device_writes: false },
            data,
            Segment { role: Role::Response, length: 1, device_writes: true },
        ];
        segments.retain(|segment| segment.length > 0);
        let last = seen.segments.len().saturating_sub(1);
        let was = seen.segments.iter().enumerate().map(|(number, segment)| Segment {
            role: match number {
                0 => Role::Header,
                _ if number == last => Role::Response,
                _ => Role::Data,
            },
            length: segment.length,
            device_writes: segment.device_writes,
        });
        let chain = |kind: Kind, sector, segments, more| Chain {
            kind: kind.to_string(),
            sector,
            segments,
            more,
        };
        Self {
            should: chain(wanted.kind, wanted.sector, segments, 0),
            was: chain(
                seen.kind,
                seen.sector,
                was.take(MOST).collect(),
                seen.segments.len().saturating_sub(MOST),
            ),
        }
    }

    /// Both requests with their titles.
    pub fn rows(&self, language: Language) -> [(&str, &Chain); 2] {
        [
            (language.of("should be", "应该是"), &self.should),
            (language.of("the device saw", "设备看到的"), &self.was),
        ]
    }

    /// The picture in characters.
    pub fn characters(&self, language: Language) -> String {
        self.rows(language).map(|(title, chain)| chain.characters(title, language)).concat()
    }
}

impl Chain {
    /// The type and the place on the disk, in words.
    pub fn words(&self, language: Language) -> String {
        text!("{}, sector {}", "{}，扇区 {}", self.kind, self.sector)
            .in_language(language)
            .to_owned()
    }

    /// The segments that are left out, in words, if there are any.
    pub fn rest(&self, language: Language) -> Option<String> {
        let words = text!("and {} more segments", "以及另外 {} 段", self.more);
        (self.more > 0).then(|| words.in_language(language).to_owned())
    }

    fn characters(&self, title: &str, language: Language) -> String {
        let mut lines = [String::new(), String::new(), String::new(), String::new()];
        for segment in &self.segments {
            let (name, way) = (segment.name(language), segment.way(language));
            let width = columns(&name).max(columns(way));
            let pad = |text: &str| format!("| {text}{} ", " ".repeat(width - columns(text)));
            lines[0] += &format!("+{}", "-".repeat(width + 2));
            lines[1] += &pad(&name);
            lines[2] += &pad(way);
            lines[3] += &format!("+{}", "-".repeat(width + 2));
        }
        for (line, end) in lines.iter_mut().zip(["+", "|", "|", "+"]) {
            line.push_str(end);
        }
        let rest = self.rest(language).map(|rest| format!("  {rest}\n")).unwrap_or_default();
        format!("  {title}: {}\n  {}\n{rest}", self.words(language), lines.join("\n  "))
    }
}

impl Segment {
    /// Its place and length.
    pub fn name(&self, language: Language) -> String {
        let role = match self.role {
            Role::Header => language.of("header", "请求头"),
            Role::Data => language.of("data", "数据"),
            Role::Response => language.of("response", "应答"),
        };
        format!("{role} {} B", self.length)
    }

    /// Its direction.
    pub fn way(&self, language: Language) -> &'static str {
        match self.device_writes {
            true => language.of("device writes", "设备写"),
            false => language.of("device reads", "设备读"),
        }
    }
}

/// The columns of a terminal that a text takes: Chinese characters take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::request::Segment as Seen;

    /// A write that came as a read with a response of four bytes.
    pub fn example() -> Picture {
        let segment = |device_writes, length| Seen { device_writes, length, address: 0 };
        let seen = Request {
            head: 0,
            kind: Kind::In,
            sector: 3584,
            segments: vec![segment(false, 16), segment(true, 512), segment(true, 4)],
            data: Vec::new(),
            status: Some(0),
            others: Vec::new(),
            interrupts: false,
        };
        let wanted = Expected { kind: Kind::Out, sector: 7, length: 512, data: vec![1; 512] };
        Picture::new(&wanted, &seen)
    }

    #[test]
    fn characters_show_both_requests() {
        let expected = "
  should be: OUT (1), sector 7
  +--------------+--------------+---------------+
  | header 16 B  | data 512 B   | response 1 B  |
  | device reads | device reads | device writes |
  +--------------+--------------+---------------+
  the device saw: IN (0), sector 3584
  +--------------+---------------+---------------+
  | header 16 B  | data 512 B    | response 4 B  |
  | device reads | device writes | device writes |
  +--------------+---------------+---------------+
";
        assert_eq!(example().characters(Language::En), &expected[1..]);
        let chinese = example().characters(Language::Zh);
        assert!(chinese.contains("| 请求头 16 B | 数据 512 B | 应答 1 B |"), "{chinese}");
        let widths: Vec<usize> = chinese.lines().skip(1).take(4).map(columns).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{chinese}");
    }

    #[test]
    fn a_request_without_data_has_two_boxes_and_a_long_one_is_cut() {
        let wanted = Expected { kind: Kind::Flush, sector: 0, length: 0, data: Vec::new() };
        let segment = Seen { device_writes: false, length: 1, address: 0 };
        let seen = Request {
            head: 0,
            kind: Kind::Flush,
            sector: 0,
            segments: vec![segment; 1000],
            data: Vec::new(),
            status: None,
            others: Vec::new(),
            interrupts: false,
        };
        let picture = Picture::new(&wanted, &seen);
        assert_eq!(picture.should.segments.len(), 2);
        assert_eq!((picture.was.segments.len(), picture.was.more), (MOST, 1000 - MOST));
        assert!(picture.characters(Language::En).ends_with("  and 992 more segments\n"));
    }
}
