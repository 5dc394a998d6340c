use alloc::{format, string::ToString};

use ostd::prelude::ktest;

use super::*;

fn parse(text: &str) -> CommandLine {
    CommandLine::parse(text).unwrap()
}

fn refusal(text: &str) -> CmdlineError {
    CommandLine::parse(text).unwrap_err()
}

#[ktest]
fn pairs_are_found_by_key() {
    let line = parse("  job=read\tsector=3  empty= same=a=b ");
    assert_eq!(line.get("job"), Some("read"));
    assert_eq!(line.get("sector"), Some("3"));
    assert_eq!(line.get("empty"), Some(""));
    assert_eq!(line.get("same"), Some("a=b"));
    assert_eq!(line.get("jo"), None);
    assert_eq!(parse("").get("job"), None);
}

#[ktest]
fn quotes_keep_blanks_and_can_be_escaped() {
    let line = parse(r#"a="two words" b=x"y z"w c="" d="say \"hi\" \\" e=back\slash"#);
    assert_eq!(line.get("a"), Some("two words"));
    assert_eq!(line.get("b"), Some("xy zw"));
    assert_eq!(line.get("c"), Some(""));
    assert_eq!(line.get("d"), Some(r#"say "hi" \"#));
    assert_eq!(line.get("e"), Some(r"back\slash"));
}

#[ktest]
fn a_bare_double_dash_ends_the_line() {
    let line = parse("job=info -- not a pair job=demo");
    assert_eq!(line.get("job"), Some("info"));
    // Neither inside a word or a value is it bare.
    assert_eq!(parse("a=-- b=\"x -- y\"").get("b"), Some("x -- y"));
    assert!(matches!(refusal("--x"), CmdlineError::NoValue { .. }));
}

#[ktest]
fn malformed_lines_are_refused() {
    assert_eq!(refusal("job=read sector"), CmdlineError::NoValue { word: "sector".into() });
    assert_eq!(refusal("=5"), CmdlineError::NoKey { word: "=5".into() });
    assert_eq!(refusal("a=1 b=2 a=1"), CmdlineError::Repeated { key: "a".into() });
    assert_eq!(refusal("t=\"open x=1"), CmdlineError::UnterminatedQuote { key: "t".into() });
    assert_eq!(refusal("t=\"open\\"), CmdlineError::UnterminatedQuote { key: "t".into() });
    assert_eq!(refusal(r#"t="a\n""#), CmdlineError::BadEscape { key: "t".into(), found: 'n' });
}

#[ktest]
fn length_is_bounded() {
    let fits = format!("a={}", "x".repeat(MAX_LENGTH - 2));
    assert_eq!(parse(&fits).get("a").map(str::len), Some(MAX_LENGTH - 2));
    assert_eq!(refusal(&(fits + "x")), CmdlineError::TooLong { length: MAX_LENGTH + 1 });
}

#[ktest]
fn bytes_lose_their_nul_and_must_be_utf8() {
    let line = CommandLine::from_bytes(b"job=info\0").unwrap();
    assert_eq!(line.get("job"), Some("info"));
    assert!(CommandLine::from_bytes(b"").is_ok());
    assert_eq!(
        CommandLine::from_bytes(b"a=\xff\0").unwrap_err(),
        CmdlineError::NotUtf8 { offset: 2 }
    );
}

#[ktest]
fn numbers_are_decimal_or_hexadecimal_and_fit_their_type() {
    let line = parse("a=10 b=0x10 c=255 d=256 e=18446744073709551615 f=18446744073709551616");
    assert_eq!(line.number::<u32>("a"), Ok(Some(10)));
    assert_eq!(line.number::<u32>("b"), Ok(Some(16)));
    assert_eq!(line.number::<u8>("c"), Ok(Some(255)));
    assert_eq!(line.number::<u64>("e"), Ok(Some(u64::MAX)));
    assert_eq!(line.number::<u8>("missing"), Ok(None));
    assert_eq!(
        line.number::<u8>("d").unwrap_err().to_string(),
        "d=\"256\" is out of range; give a number from 0 to 255"
    );
    assert_eq!(
        line.number::<u64>("f").unwrap_err().to_string(),
        "f=\"18446744073709551616\" is out of range; give a number from 0 to 18446744073709551615"
    );
}

#[ktest]
fn junk_is_no_number() {
    for junk in ["", "+1", "-1", "1_000", "0x", "0xg", "ten", "1\u{664}", "0X10"] {
        let text = format!("a=\"{junk}\"");
        assert!(
            matches!(
                parse(&text).number::<u16>("a"),
                Err(CmdlineError::NotANumber { min: 0, max: 65535, .. })
            ),
            "{junk}"
        );
    }
}

#[ktest]
fn number_in_respects_both_bounds() {
    let line = parse("low=0 fits=1024 high=1025");
    assert_eq!(line.number_in::<u16>("fits", 1..=1024), Ok(Some(1024)));
    for key in ["low", "high"] {
        assert!(matches!(
            line.number_in::<u16>(key, 1..=1024),
            Err(CmdlineError::OutOfRange { min: 1, max: 1024, .. })
        ));
    }
    // The type's own bound is the one told when it is the narrower.
    assert!(matches!(
        line.number_in::<u8>("high", 1..=1024),
        Err(CmdlineError::OutOfRange { min: 1, max: 255, .. })
    ));
}

#[ktest]
fn choices_and_switches() {
    let line = parse("a=on b=off c=yes");
    assert_eq!(line.switch("a"), Ok(Some(true)));
    assert_eq!(line.switch("b"), Ok(Some(false)));
    assert_eq!(line.switch("d"), Ok(None));
    assert_eq!(
        line.switch("c").unwrap_err().to_string(),
        "c=\"yes\" is not possible; give one of: on off"
    );
}

#[ktest]
fn unknown_keys_are_named_with_what_is_possible() {
    let known = ["job", "sector=N", "count=M"];
    let line = parse("job=read sector=1 ostd.log_level=debug");
    assert_eq!(line.reject_unknown("job read", &known), Ok(()));
    let error = parse("job=read foo=1").reject_unknown("job read", &known).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown parameter \"foo\"; job read takes: job sector=N count=M"
    );
    // A prefix of a key is another key.
    assert!(parse("sect=1").reject_unknown("job read", &known).is_err());
}

#[ktest]
fn errors_stay_on_one_short_line() {
    let long = format!("{}\u{1b}[2J", "y".repeat(100));
    let text = refusal(&long).to_string();
    assert!(text.len() < 110 && text.is_ascii(), "{text}");
    assert!(!refusal("\u{7}\u{1b}[2J").to_string().contains(char::is_control));
}
