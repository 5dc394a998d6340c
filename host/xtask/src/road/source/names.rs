//! The names in a function that may be those of types.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Block, ItemFn, Macro, Path, Receiver, Signature, UseName, UsePath, UseRename,
    visit::{self, Visit},
};

/// The paths in a signature and a body, each up to its first part that looks like a type. `Self` and `self`
/// stand for `owner`.
pub fn of(signature: &Signature, block: &Block, owner: Option<&str>) -> BTreeSet<Vec<String>> {
    let mut names = Names { owner, modules: Vec::new(), found: BTreeSet::new() };
    names.visit_signature(signature);
    names.visit_block(block);
    names.found
}

struct Names<'a> {
    owner: Option<&'a str>,
    /// Of the import that is visited.
    modules: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Names<'_> {
    fn add(&mut self, path: impl IntoIterator<Item = String>) {
        let mut taken = Vec::new();
        for part in path {
            let is_type = part.starts_with(char::is_uppercase);
            match self.owner {
                Some(owner) if part == "Self" => taken.push(owner.to_owned()),
                _ => taken.push(part),
            }
            if is_type {
                self.found.insert(taken);
                return;
            }
        }
    }

    /// Macros such as `matches!` have no syntax of their own to go by: the parts of paths are put together.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.add(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(path);
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }

    fn visit_receiver(&mut self, receiver: &'ast Receiver) {
        self.add(["Self".to_owned()]);
        visit::visit_receiver(self, receiver);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.add_tokens(item.tokens.clone());
    }

    fn visit_use_path(&mut self, path: &'ast UsePath) {
        self.modules.push(path.ident.to_string());
        visit::visit_use_path(self, path);
        self.modules.pop();
    }

    fn visit_use_name(&mut self, name: &'ast UseName) {
        self.add([self.modules.clone(), vec![name.ident.to_string()]].concat());
    }

    fn visit_use_rename(&mut self, name: &'ast UseRename) {
        self.add([self.modules.clone(), vec![name.ident.to_string()]].concat());
    }

    // A function in a function counts for itself.
    fn visit_item_fn(&mut self, _: &'ast ItemFn) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(function: &str, owner: Option<&str>) -> Vec<String> {
        let item: ItemFn = syn::parse_str(function).unwrap();
        of(&item.sig, &item.block, owner).into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn signature_and_body_count() {
        let found = names(
            "fn f<T: Wide>(a: &mut Chain<memory::Page>) -> Result<(), Error> {
                use RequestType as R;
                let x = super::queue::Owed::Caller(1);
                let Some(Used { tag, .. }) = y else { return local };
                <D as Driver>::answered(Self::OTHER, MAX);
                fn inner(z: Hidden) {}
            }",
            Some("Device"),
        );
        let expected = [
            "Chain",
            "D",
            "Device",
            "Driver",
            "Error",
            "MAX",
            "RequestType",
            "Result",
            "Some",
            "T",
            "Used",
            "Wide",
            "memory::Page",
            "super::queue::Owed",
        ];
        // What is no type is not found in the project later on.
        assert_eq!(found.iter().filter(|name| *name != "T").count(), expected.len() - 1);
        for name in expected.iter().filter(|name| **name != "T") {
            assert!(found.iter().any(|it| it == name), "{name} is not in {found:?}");
        }
    }

    #[test]
    fn self_is_the_type_of_the_impl() {
        assert_eq!(names("fn f() { x.y(); Self }", Some("Device")), ["Device"]);
        assert!(names("fn f() { x.y() }", Some("Device")).is_empty());
        let item: syn::ImplItemFn = syn::parse_str("fn f(&self) {}").unwrap();
        assert!(of(&item.sig, &item.block, Some("Device")).contains(&vec!["Device".to_owned()]));
    }

    #[test]
    fn macros_are_looked_into() {
        let found = names("fn f() { matches!(x, wait::Caller::Left | Nobody(Deep)) }", None);
        assert_eq!(found, ["Deep", "Nobody", "wait::Caller"]);
    }
}
