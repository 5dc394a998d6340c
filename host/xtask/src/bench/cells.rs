//! Tables in Markdown, and how figures look in them.

use std::fmt::Write as _;

use super::sample::Spread;

/// Starts a table.
pub fn table(text: &mut String, title: &str, columns: &[&str]) {
    let _ = writeln!(text, "## {title}\n");
    row(text, columns);
    let rules: Vec<&str> =
        columns.iter().enumerate().map(|(n, _)| if n == 0 { "---" } else { "---:" }).collect();
    row(text, &rules);
}

/// One row of a table.
pub fn row<T: AsRef<str>>(text: &mut String, cells: &[T]) {
    text.push('|');
    for cell in cells {
        let _ = write!(text, " {} |", cell.as_ref());
    }
    text.push('\n');
}

/// `12,345`
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12,345 (10,000..15,000)`, or a dash.
pub fn spread(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread else { return "-".to_owned() };
    if min == max {
        return grouped(median);
    }
    format!("{} ({}..{})", grouped(median), grouped(min), grouped(max))
}

/// `2.1 x (1.9..2.4)`, or a dash.
pub fn ratio(ratio: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = ratio else { return "-".to_owned() };
    if min == max {
        return format!("**{median:.2} x**");
    }
    format!("**{median:.2} x** ({min:.1}..{max:.1})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(-1234.0), "-1,234");
        assert_eq!(grouped(-234.0), "-234");
    }

    #[test]
    fn spreads_and_ratios() {
        let some = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(spread(some(2000.0, 1000.0, 3000.0)), "2,000 (1,000..3,000)");
        assert_eq!(spread(some(5.0, 5.0, 5.0)), "5");
        assert_eq!(ratio(some(2.0, 1.5, 2.5)), "**2.00 x** (1.5..2.5)");
        assert_eq!(ratio(None), "-");
    }

    #[test]
    fn tables() {
        let mut text = String::new();
        table(&mut text, "T", &["a", "b"]);
        row(&mut text, &["1", "2"]);
        assert_eq!(text, "## T\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n");
    }
}
