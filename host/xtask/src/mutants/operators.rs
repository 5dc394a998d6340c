//! The small tables of what can be put in place of what.

use syn::{BinOp, GenericArgument, PathArguments, ReturnType, Type};

/// A way to put another operator in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Both compare, by reference.
    Comparison(&'static str, &'static str),
    /// Both compute, by value.
    Arithmetic(&'static str, &'static str),
    /// `&&` or `||`, of which the second operand is not always evaluated.
    Logic(&'static str, &'static str),
}

/// The operator that takes the place of one.
pub fn swap(operator: &BinOp) -> Option<Swap> {
    Some(match operator {
        BinOp::Eq(_) => Swap::Comparison("==", "!="),
        BinOp::Ne(_) => Swap::Comparison("!=", "=="),
        BinOp::Lt(_) => Swap::Comparison("<", "<="),
        BinOp::Le(_) => Swap::Comparison("<=", "<"),
        BinOp::Gt(_) => Swap::Comparison(">", ">="),
        BinOp::Ge(_) => Swap::Comparison(">=", ">"),
        BinOp::Add(_) => Swap::Arithmetic("+", "-"),
        BinOp::Sub(_) => Swap::Arithmetic("-", "+"),
        BinOp::Mul(_) => Swap::Arithmetic("*", "/"),
        BinOp::Div(_) => Swap::Arithmetic("/", "*"),
        BinOp::Rem(_) => Swap::Arithmetic("%", "/"),
        BinOp::BitAnd(_) => Swap::Arithmetic("&", "|"),
        BinOp::BitOr(_) => Swap::Arithmetic("|", "&"),
        BinOp::Shl(_) => Swap::Arithmetic("<<", ">>"),
        BinOp::Shr(_) => Swap::Arithmetic(">>", "<<"),
        BinOp::And(_) => Swap::Logic("&&", "||"),
        BinOp::Or(_) => Swap::Logic("||", "&&"),
        _ => return None,
    })
}

/// Returns true if an operator assigns.
pub fn assigns(operator: &BinOp) -> bool {
    use BinOp as B;

    matches!(
        operator,
        B::AddAssign(_)
            | B::SubAssign(_)
            | B::MulAssign(_)
            | B::DivAssign(_)
            | B::RemAssign(_)
            | B::BitXorAssign(_)
            | B::BitAndAssign(_)
            | B::BitOrAssign(_)
            | B::ShlAssign(_)
            | B::ShrAssign(_)
    )
}

/// Methods of one argument, and those that take their place.
const METHODS: [(&str, &str); 4] = [
    ("wrapping_add", "wrapping_sub"),
    ("saturating_add", "saturating_sub"),
    ("checked_add", "checked_sub"),
    ("min", "max"),
];

/// The method that takes the place of one.
pub fn other_method(name: &str) -> Option<&'static str> {
    METHODS.iter().find_map(|(one, other)| match name {
        _ if name == *one => Some(*other),
        _ if name == *other => Some(*one),
        _ => None,
    })
}

/// Plain values that a function of this type could return instead of doing anything.
pub fn plain_values(output: &ReturnType) -> Vec<String> {
    match output {
        ReturnType::Default => vec!["()".to_owned()],
        ReturnType::Type(_, output) => values_of(output),
    }
}

fn values_of(of: &Type) -> Vec<String> {
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match of {
        Type::Tuple(tuple) if tuple.elems.is_empty() => list(&["()"]),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Vec::new() };
            match &*last.ident.to_string() {
                "bool" => list(&["false", "true"]),
                "u8" | "u16" | "u32" | "u64" | "usize" | "Daddr" => list(&["0", "1"]),
                "Option" => list(&["None"]),
                "Result" => first_argument(&last.arguments)
                    .map(values_of)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|value| format!("Ok({value})"))
                    .collect(),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// The type in front of all others between `<` and `>`.
fn first_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(found) => Some(found),
        _ => None,
    })
}
