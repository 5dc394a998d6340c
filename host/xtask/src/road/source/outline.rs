//! One file of source: what it declares and what it imports.

use std::collections::BTreeSet;

use anyhow::Result;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{
    Block, ImplItemFn, ItemEnum, ItemFn, ItemImpl, ItemMacro, ItemMod, ItemStruct, ItemTrait,
    ItemUse, Signature, TraitItemFn, UseTree,
    visit::{self, Visit},
};

use super::names;
use crate::syntax::{is_test, type_name};

/// The declarations and imports of a file. Modules in it are not told apart.
#[derive(Default)]
pub struct Outline {
    pub functions: Vec<Body>,
    /// Structs, enums and traits.
    pub types: BTreeSet<String>,
    pub modules: BTreeSet<String>,
    /// The name here, and the path that it stands for.
    pub imports: Vec<(String, Vec<String>)>,
    /// The first and the last line of each `macro_rules!`.
    pub macros: Vec<(usize, usize)>,
    /// The type or trait whose items are visited.
    owner: Option<String>,
}

/// A function as it stands in the file.
pub struct Body {
    pub name: String,
    /// The first line of the signature.
    pub first: usize,
    /// The line of the name.
    pub line: usize,
    /// The lines of the braces.
    pub body: (usize, usize),
    /// The paths that may be of types.
    pub names: BTreeSet<Vec<String>>,
}

impl Outline {
    pub fn parse(text: &str) -> Result<Self> {
        let mut outline = Self::default();
        outline.visit_file(&syn::parse_file(text)?);
        Ok(outline)
    }

    fn add(&mut self, signature: &Signature, block: &Block) {
        let name = signature.ident.to_string();
        let span = block.brace_token.span;
        self.functions.push(Body {
            names: names::of(signature, block, self.owner.as_deref()),
            name: match &self.owner {
                Some(owner) => format!("{owner}::{name}"),
                None => name,
            },
            first: signature.fn_token.span.start().line,
            line: signature.ident.span().start().line,
            body: (span.open().start().line, span.close().end().line),
        });
    }

    fn import(&mut self, modules: &mut Vec<String>, tree: &UseTree) {
        let mut add = |name: String, local: String, modules: &[String]| {
            self.imports.push((local, modules.iter().cloned().chain([name]).collect()));
        };
        match tree {
            UseTree::Path(path) => {
                modules.push(path.ident.to_string());
                self.import(modules, &path.tree);
                modules.pop();
            }
            UseTree::Name(it) => add(it.ident.to_string(), it.ident.to_string(), modules),
            UseTree::Rename(it) => add(it.ident.to_string(), it.rename.to_string(), modules),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(modules, tree)),
            _ => {}
        }
    }

    /// Visits what is inside of a type's or trait's items.
    fn inside(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Outline {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            self.inside(None, |this| {
                this.add(&item.sig, &item.block);
                visit::visit_item_fn(this, item);
            });
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            self.add(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if is_test(&item.attrs) {
            return;
        }
        let owner = type_name(&item.self_ty);
        self.inside(owner, |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.types.insert(item.ident.to_string());
        self.inside(Some(item.ident.to_string()), |this| visit::visit_item_trait(this, item));
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.types.insert(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.types.insert(item.ident.to_string());
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            self.modules.insert(item.ident.to_string());
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&mut Vec::new(), &item.tree);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if item.ident.is_some() {
            let span = item.mac.delimiter.span();
            self.macros.push((span.open().start().line, span.close().end().line));
        } else {
            // Such as `bitflags!`.
            declared(item.mac.tokens.clone(), &mut self.types);
        }
    }
}

/// The types that the tokens of a macro's call declare.
fn declared(tokens: TokenStream, types: &mut BTreeSet<String>) {
    let mut declares = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if declares => {
                types.insert(ident.to_string());
                declares = false;
            }
            TokenTree::Ident(ident) => declares = ident == "struct" || ident == "enum",
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                declared(group.stream(), types);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_after_what_they_belong_to() {
        let outline = Outline::parse(
            "impl<D: Driver> Awaited for InFlight<'_, D> { fn look(&self) {} }
             trait Awaited { fn arm(&self); fn waiter(&self) {} }
             fn wait() {
                 fn inner() {}
             }
             #[cfg(ktest)]
             mod tests { fn test() {} }",
        )
        .unwrap();
        let names: Vec<_> = outline.functions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["InFlight::look", "Awaited::waiter", "wait", "inner"]);
        assert_eq!((outline.functions[2].first, outline.functions[2].body), (3, (3, 5)));
    }

    #[test]
    fn declarations_and_imports_are_found() {
        let outline = Outline::parse(
            "use super::{queue::{AddError, Chain as Links}, Driver};
             bitflags! { pub struct Features: u64 { const A = 1; } }
             mod private { pub trait Sealed {} }
             enum Owed { Caller }
             macro_rules! of { () => { struct Unseen; } }",
        )
        .unwrap();
        let imports: Vec<_> = outline
            .imports
            .iter()
            .map(|(name, path)| format!("{name}={}", path.join(".")))
            .collect();
        let expected =
            ["AddError=super.queue.AddError", "Links=super.queue.Chain", "Driver=super.Driver"];
        assert_eq!(imports, expected);
        assert_eq!(Vec::from_iter(&outline.types), ["Features", "Owed", "Sealed"]);
        assert_eq!(outline.macros, [(5, 5)]);
    }
}
