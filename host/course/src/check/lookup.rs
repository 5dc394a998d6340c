//! `job=lookup` on a disk with files: what each path leads to, as the kernel tells it on a second disk.
//!
//! The files are the grader's, with names that differ in little. Each has a content of its own, which the kernel
//! cannot know unless it has found the right one.

mod scenes;

use anyhow::Result;
use lab::{
    image::{SECTOR, noise},
    place::Place,
    process::End,
    qemu::{Disk, Guest, Machine, Transport},
};
use plan::lookups::Answer;
use serde::Deserialize;

use self::scenes::{Question, Setting, Why};
use super::{Stand, Verdict};
use crate::{diagnosis::Finding, files::Body, language::text};

/// The blocks of the disk with files.
const BLOCKS: u32 = 1024;
/// The sectors of the disk with questions and answers.
const SECTORS: usize = 4096;
/// Causes that explain others come before them.
const ORDER: [&str; 9] = [
    "nothing-found",
    "dots-not-found",
    "directory-not-read-to-its-end",
    "straddling-entry-missed",
    "entry-behind-the-end",
    "wrong-entry",
    "name-compared-in-part",
    "name-not-found",
    "missing-is-an-error",
];

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The files, and what is asked for.
    scene: Scene,
}

/// The kinds of trees.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Scene {
    /// One small directory, whose names are parts of each other.
    Names,
    /// A directory of many blocks, which lie apart.
    Many,
    /// Directories within each other, with the same names in each.
    Way,
}

impl Lookup {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let setting = match self.scene {
            Scene::Names => scenes::names(&mut random),
            Scene::Many => scenes::many(&mut random),
            Scene::Way => scenes::way(&mut random),
        };
        let (image, numbers) = setting.tree.pack(BLOCKS, &mut random)?;
        let files = place.image("files", image)?;
        let mut list: Vec<u8> =
            setting.questions.iter().flat_map(|q| [q.path.as_bytes(), b"\n"].concat()).collect();
        list.push(0);
        let asked = list.len().div_ceil(SECTOR);
        let mut disk = noise(SECTORS, random.u64(..));
        disk[..list.len()].copy_from_slice(&list);
        let at = random.usize(asked..SECTORS - setting.questions.len());
        let answers = place.image("answers", disk)?;

        let machine = Machine::new(Transport::Modern)
            // A disk in slot 0 is the second one.
            .options(Disk::new(&files).slot(1).options(0))
            .options(Disk::new(&answers).slot(0).options(1));
        let line = format!("job=lookup disk=0 to=1 list=0 at={at}");
        let end = stand.run(machine.command(&Guest::new(&place.kernel, &line)), place)?.end;
        let disk = answers.contents()?;
        let (sectors, _) = disk.as_chunks::<SECTOR>();
        let told: Vec<Option<Answer<'_>>> =
            setting.questions.iter().zip(&sectors[at..]).map(|(_, s)| Answer::of(s)).collect();
        Ok(compare(&setting, &numbers, &told, end))
    }
}

fn compare(
    setting: &Setting,
    numbers: &[u32],
    told: &[Option<Answer<'_>>],
    end: End,
) -> Option<Finding> {
    let pairs = || setting.questions.iter().zip(told);
    if let Some((question, _)) = pairs().find(|(_, answer)| answer.is_none()) {
        let expected = text!("an answer for {}", "{} 有一个回答", question.shown());
        let seen = text!("the kernel has given none", "内核没有给出回答");
        return Some(Finding::new("lookup-stops", expected, seen).ended(end));
    }
    let is_missing = |answer: &Option<Answer<'_>>| !matches!(answer, Some(Answer::Found { .. }));
    let mut there = pairs().filter(|(question, _)| question.wanted.is_some());
    let nothing = there.all(|(_, answer)| is_missing(answer));
    let wrong = pairs().filter_map(|(question, answer)| {
        let cause = cause(setting, numbers, question, answer.as_ref()?)?;
        Some((if nothing { "nothing-found" } else { cause }, question, answer.as_ref()?))
    });
    let place = |cause: &str| ORDER.iter().position(|known| *known == cause);
    let (cause, question, answer) = wrong.min_by_key(|(cause, ..)| place(cause))?;
    let path = question.shown();
    let expected = match question.wanted {
        Some(node) => text!("{path} is inode {}", "{path} 是 inode {}", numbers[node]),
        None => text!("there is no {path}", "没有 {path}"),
    };
    let seen = match answer {
        Answer::Missing => text!("nothing is found", "什么也没有找到"),
        Answer::Failed => text!("looking it up is an error", "查找出错"),
        Answer::Found { inode, .. } => {
            let found = numbers.iter().position(|number| number == inode);
            let name = found.and_then(|node| setting.name_of(node)).unwrap_or("?");
            let name = scenes::shortened(name);
            text!("inode {inode} is found, {name}", "找到的是 inode {inode}，{name}")
        }
    };
    Some(Finding::new(cause, expected, seen).ended(end))
}

/// The cause of an answer that is wrong.
fn cause(
    setting: &Setting,
    numbers: &[u32],
    question: &Question,
    answer: &Answer<'_>,
) -> Option<&'static str> {
    let found = match answer {
        Answer::Found { inode, content } => {
            let node = numbers.iter().position(|number| number == inode);
            let is_wanted = node.is_some() && node == question.wanted;
            let body = node.and_then(|node| setting.tree.0.get(node));
            let is_whole = match body {
                Some(Body::File(bytes)) => bytes == content,
                _ => content.is_empty(),
            };
            if is_wanted && is_whole {
                return None;
            }
            Some(node.and_then(|node| setting.name_of(node)).unwrap_or_default())
        }
        Answer::Missing if question.wanted.is_none() => return None,
        Answer::Missing | Answer::Failed => None,
    };
    let asked = question.path.rsplit('/').next().unwrap_or_default();
    Some(match (found, question.why) {
        (_, Why::Dots) => "dots-not-found",
        (Some(_), Why::Removed) => "entry-behind-the-end",
        (Some(name), _) if alike(asked, name) => "name-compared-in-part",
        (Some(_), _) => "wrong-entry",
        (None, Why::Straddles) => "straddling-entry-missed",
        (None, Why::Far) => "directory-not-read-to-its-end",
        (None, _) if question.wanted.is_none() => "missing-is-an-error",
        (None, _) => "name-not-found",
    })
}

/// Returns true for two names of which one could be taken for the other by looking at a part only.
fn alike(asked: &str, found: &str) -> bool {
    asked.starts_with(found)
        || found.starts_with(asked)
        || asked.eq_ignore_ascii_case(found)
        || asked.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count() >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cause that is told when all is right but for what `change` does to the answers.
    fn told(
        setting: &Setting,
        change: impl Fn(&Question, &mut Answer<'_>),
    ) -> Option<&'static str> {
        let numbers: Vec<u32> = (0..setting.tree.0.len() as u32).map(|node| 10 + node).collect();
        let answer = |question: &Question| {
            let mut answer = match question.wanted {
                Some(node) => {
                    let content = match &setting.tree.0[node] {
                        Body::File(bytes) => &bytes[..],
                        Body::Directory { .. } => &[],
                    };
                    Answer::Found { inode: numbers[node], content }
                }
                None => Answer::Missing,
            };
            change(question, &mut answer);
            answer.sector()
        };
        let sectors: Vec<_> = setting.questions.iter().map(answer).collect();
        let answers: Vec<_> = sectors.iter().map(Answer::of).collect();
        compare(setting, &numbers, &answers, End::Exited(0)).map(|finding| finding.cause)
    }

    #[test]
    fn each_mistake_of_a_lookup_is_told() {
        let mut random = fastrand::Rng::with_seed(3);
        let (names, many, way) =
            (scenes::names(&mut random), scenes::many(&mut random), scenes::way(&mut random));
        for setting in [&names, &many, &way] {
            assert_eq!(told(setting, |_, _| {}), None);
            let nothing = told(setting, |_, answer| *answer = Answer::Missing);
            assert_eq!(nothing, Some("nothing-found"));
        }
        let lose = |why: Why| {
            move |question: &Question, answer: &mut Answer<'_>| {
                if question.why == why && question.wanted.is_some() {
                    *answer = Answer::Missing;
                }
            }
        };
        assert_eq!(told(&many, lose(Why::Far)), Some("directory-not-read-to-its-end"));
        assert_eq!(told(&many, lose(Why::Straddles)), Some("straddling-entry-missed"));
        assert_eq!(told(&many, lose(Why::Plain)), Some("name-not-found"));
        assert_eq!(told(&way, lose(Why::Dots)), Some("dots-not-found"));
        let find = |why: Why| {
            move |question: &Question, answer: &mut Answer<'_>| {
                if question.why == why && question.wanted.is_none() {
                    *answer = Answer::Found { inode: 11, content: &[] };
                }
            }
        };
        assert_eq!(told(&names, find(Why::Removed)), Some("entry-behind-the-end"));
        assert_eq!(told(&many, find(Why::Removed)), Some("entry-behind-the-end"));
        assert!(told(&names, find(Why::Plain)).is_some());
        assert!(alike("abcd", "abcde") && alike("ABC", "abc") && !alike("abc", "xyz"));
    }
}
