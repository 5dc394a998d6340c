//! One file of source: where it can be changed, and how.

mod changes;

use std::collections::BTreeMap;

use anyhow::Result;
use syn::{
    Attribute, Block, Expr, ImplItemFn, ItemFn, ItemImpl, ItemMod, Pat, ReturnType, Signature,
    Stmt, TraitItemFn, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use self::changes::{is_assignment, is_call, returns_nothing};
use super::splice::Edit;
use crate::syntax;

/// Traits whose functions make texts for people.
const TEXTS: [&str; 3] = ["Debug", "Display", "Error"];

/// A change that the tests should notice.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The function, with the type or trait that it belongs to.
    pub function: String,
    pub line: usize,
    /// Names the change, uniquely within the function.
    pub change: String,
    pub edits: Vec<Edit>,
}

/// The finds in one file.
#[derive(Default)]
pub struct Found {
    pub mutations: Vec<Mutation>,
    /// Lets a unit test be left out of a run.
    pub gates: Vec<Edit>,
}

/// Finds what can be changed in a file of source.
pub fn find(text: &str) -> Result<Found> {
    let mut finder =
        Finder { text, owner: None, function: None, unit: false, found: Found::default() };
    finder.visit_file(&syn::parse_file(text)?);
    let mut found = finder.found;
    number_repetitions(&mut found.mutations);
    Ok(found)
}

/// Tells changes apart that read the same.
fn number_repetitions(mutations: &mut [Mutation]) {
    let mut seen = BTreeMap::new();
    for mutation in mutations {
        let count = seen.entry((mutation.function.clone(), mutation.change.clone())).or_insert(0);
        *count += 1;
        if *count > 1 {
            mutation.change += &format!(" #{count}");
        }
    }
}

struct Finder<'a> {
    text: &'a str,
    /// The type or trait whose items are visited.
    owner: Option<String>,
    /// The function that is visited, unless it is one that must not be changed.
    function: Option<String>,
    /// The next expression or block has the type `()`.
    unit: bool,
    found: Found,
}

impl Finder<'_> {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        if syntax::is_test(attributes) {
            return;
        }
        if attributes.iter().any(|attribute| attribute.path().is_ident("ktest")) {
            return self.gate(attributes, signature, block);
        }
        let name = match &self.owner {
            Some(owner) => format!("{owner}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        let makes_text = matches!(&signature.output, ReturnType::Type(_, output)
            if self.source(output.span().byte_range()).ends_with("fmt::Result"));
        // What runs in the compiler cannot ask which mutant is on.
        let changes = signature.constness.is_none() && !makes_text;
        let outer = std::mem::replace(&mut self.function, changes.then_some(name));
        self.body(signature, block);
        self.unit = returns_nothing(signature);
        self.visit_block(block);
        self.function = outer;
    }

    fn statement(&mut self, statement: &Stmt, unit: bool) {
        match statement {
            Stmt::Expr(inner, semicolon) => {
                let ends = semicolon.is_some();
                if ends && (is_call(inner) || is_assignment(inner)) {
                    self.leave_out(statement.span(), "", "");
                    // Not once more, as an expression.
                    return self.inside(inner);
                }
                self.unit = unit && !ends;
                self.visit_expr(inner);
            }
            Stmt::Local(local) => {
                if let (Pat::Wild(_), Some(init)) = (&local.pat, &local.init)
                    && is_call(&init.expr)
                {
                    self.leave_out(statement.span(), "", "");
                }
                visit::visit_local(self, local);
            }
            _ => visit::visit_stmt(self, statement),
        }
    }

    /// Visits what an expression consists of.
    fn inside(&mut self, expression: &Expr) {
        let unit = std::mem::take(&mut self.unit);
        match expression {
            Expr::If(it) => {
                // What people are told is nobody's business here.
                if !only_logs(&it.then_branch) {
                    self.condition(&it.cond, true);
                }
                self.unit = unit;
                self.visit_block(&it.then_branch);
                if let Some((_, other)) = &it.else_branch {
                    self.unit = unit;
                    self.visit_expr(other);
                }
                self.unit = false;
            }
            Expr::While(it) => {
                self.condition(&it.cond, false);
                self.unit = true;
                self.visit_block(&it.body);
            }
            Expr::ForLoop(it) => {
                self.visit_expr(&it.expr);
                self.unit = true;
                self.visit_block(&it.body);
            }
            Expr::Loop(it) => {
                self.unit = true;
                self.visit_block(&it.body);
            }
            Expr::Match(it) => {
                self.visit_expr(&it.expr);
                for arm in &it.arms {
                    let logs = matches!(&*arm.body, Expr::Block(it) if only_logs(&it.block));
                    if !logs {
                        self.visit_pat(&arm.pat);
                    }
                    self.unit = unit;
                    self.visit_expr(&arm.body);
                }
                self.unit = false;
            }
            Expr::Block(it) => {
                self.unit = unit;
                self.visit_block(&it.block);
            }
            Expr::Binary(it) => {
                self.binary(it);
                visit::visit_expr_binary(self, it);
            }
            Expr::Unary(it) => {
                if let UnOp::Not(_) = it.op {
                    self.not(it);
                }
                visit::visit_expr_unary(self, it);
            }
            Expr::MethodCall(it) => {
                self.method(it);
                visit::visit_expr_method_call(self, it);
            }
            // The compiler needs to know these.
            Expr::Const(_) => {}
            Expr::Repeat(it) => self.visit_expr(&it.expr),
            _ => visit::visit_expr(self, expression),
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        let owner = self.owner.take();
        self.function(&item.attrs, &item.sig, &item.block);
        self.owner = owner;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.attrs, &item.sig, block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let makes_texts = item.trait_.as_ref().is_some_and(|(path, _)| {
            path.segments.last().is_some_and(|last| TEXTS.contains(&&*last.ident.to_string()))
        });
        if !syntax::is_test(&item.attrs) && !makes_texts {
            let outer = std::mem::replace(&mut self.owner, syntax::type_name(&item.self_ty));
            visit::visit_item_impl(self, item);
            self.owner = outer;
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let outer = self.owner.replace(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.owner = outer;
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !syntax::is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        let unit = std::mem::take(&mut self.unit);
        for (index, statement) in block.stmts.iter().enumerate() {
            // Only the last statement may have a value.
            self.statement(statement, unit || index + 1 < block.stmts.len());
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        let unit = self.unit;
        if is_assignment(expression) || unit && is_call(expression) {
            self.leave_out(expression.span(), "{ ", " }");
        }
        self.inside(expression);
        self.unit = false;
    }

    fn visit_pat(&mut self, pattern: &'ast Pat) {
        if let Pat::Guard(guarded) = pattern {
            self.condition(&guarded.guard, true);
        }
    }

    // Constants, which the compiler needs to know.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_path_arguments(&mut self, _: &'ast syn::PathArguments) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Returns true if a block does nothing but to tell people something.
fn only_logs(block: &Block) -> bool {
    let logs = |statement: &Stmt| match statement {
        Stmt::Macro(it) => it.mac.path.segments.first().is_some_and(|first| first.ident == "log"),
        _ => false,
    };
    !block.stmts.is_empty() && block.stmts.iter().all(logs)
}
