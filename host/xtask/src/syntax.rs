//! The parts that all readers of source share.

use std::path::Path;

use syn::{Attribute, Meta, Type};

/// Modules that only unit tests have.
const TESTS: [&str; 2] = ["tests", "testing"];

/// Returns true if an item is there for unit tests only.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            ["ktest", "test"].contains(&list.tokens.to_string().as_str())
        }
        _ => false,
    })
}

/// The last name of the path of a type.
pub fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// Returns true if a file or folder is a module that only unit tests have.
pub fn is_for_tests(path: &Path) -> bool {
    path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| TESTS.contains(&stem))
}
