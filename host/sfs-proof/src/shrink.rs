//! Fewer operations that still go wrong.

use crate::model::Op;

/// Leaves out one operation after another for as long as it still goes wrong, and returns what is left, with the words
/// on it.
pub fn shrink(
    ops: Vec<Op>,
    words: String,
    mut fails: impl FnMut(&[Op]) -> Option<String>,
) -> (Vec<Op>, String) {
    let (mut ops, mut words) = (ops, words);
    let mut shorter = true;
    while shorter {
        shorter = false;
        for index in (0..ops.len()).rev() {
            let mut fewer = ops.clone();
            fewer.remove(index);
            if let Some(now) = fails(&fewer) {
                (ops, words, shorter) = (fewer, now, true);
            }
        }
    }
    (ops, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let all = [Op::Sync, Op::Close(0), Op::Remount, Op::Close(1), Op::Sync];
        let fails = |ops: &[Op]| {
            let both = ops.contains(&Op::Close(0)) && ops.contains(&Op::Remount);
            both.then(|| format!("{} left", ops.len()))
        };
        let (ops, words) = shrink(all.to_vec(), "5 left".into(), fails);
        assert_eq!(ops, [Op::Close(0), Op::Remount]);
        assert_eq!(words, "2 left");
    }
}
