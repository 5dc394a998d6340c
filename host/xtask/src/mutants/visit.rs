//! One file of source: where it can be changed, and how.

use std::{collections::BTreeMap, ops::Range};

use anyhow::Result;
use proc_macro2::Span;
use syn::{
    Attribute, BinOp, Block, Expr, ExprBinary, ExprMethodCall, ExprUnary, ImplItemFn, ItemFn,
    ItemImpl, ItemMod, Pat, ReturnType, Signature, Stmt, TraitItemFn, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{
    operators::{Swap, assigns, other_method, plain_values, swap},
    splice::Edit,
};
use crate::syntax;

/// Traits whose functions make texts for people.
const TEXTS: [&str; 3] = ["Debug", "Display", "Error"];

/// The longest piece of source in the name of a change, in characters.
const LONGEST: usize = 80;

/// A change that the tests should notice.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The function, with the type or trait that it belongs to.
    pub function: String,
    pub line: usize,
    /// What is changed, unique within the function.
    pub change: String,
    pub edits: Vec<Edit>,
}

/// What has been found in a file.
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
    fn add(&mut self, span: Span, change: String, edits: Vec<Edit>) {
        if let Some(function) = self.function.clone() {
            let line = span.start().line;
            self.found.mutations.push(Mutation { function, line, change, edits });
        }
    }

    /// The source at a place, in one line.
    fn source(&self, range: Range<usize>) -> String {
        let words: Vec<_> = self.text[range].split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    }

    /// As many line breaks as there are at a place.
    fn breaks(&self, range: Range<usize>) -> String {
        "\n".repeat(self.text[range].matches('\n').count())
    }

    fn leave_out(&mut self, span: Span, before: &str, behind: &str) {
        let range = span.byte_range();
        let change = format!("leave out `{}`", self.source(range.clone()));
        let edits = vec![
            Edit::open(range.start, format!("{before}if !@ {{ ")),
            Edit::close(range.end, format!(" }}{behind}")),
        ];
        self.add(span, change, edits);
    }

    /// Visits a condition. It becomes false, and true if nothing is bound in it. Of several that must all hold,
    /// each that binds nothing becomes true by itself.
    fn condition(&mut self, condition: &Expr, may_be_true: bool) {
        let range = condition.span().byte_range();
        let source = self.source(range.clone());
        let binds = chain(condition).iter().any(|part| matches!(part, Expr::Let(_)));
        let (open, close) = if binds { ("!@ && ", "") } else { ("!@ && (", ")") };
        self.add(
            condition.span(),
            format!("`{source}` becomes false"),
            vec![Edit::open(range.start, open), Edit::close(range.end, close)],
        );
        if !may_be_true {
            return self.visit_expr(condition);
        }
        let parts = if binds { chain(condition) } else { vec![condition] };
        for part in parts.into_iter().filter(|part| !matches!(part, Expr::Let(_))) {
            let range = part.span().byte_range();
            let source = self.source(range.clone());
            self.add(
                part.span(),
                format!("`{source}` becomes true"),
                vec![Edit::open(range.start, "(@ || ("), Edit::close(range.end, "))")],
            );
        }
        match condition {
            // A test that can tell it from true and from false can tell it from its opposite.
            Expr::Unary(it) if matches!(it.op, UnOp::Not(_)) => visit::visit_expr_unary(self, it),
            Expr::Binary(it) if matches!(it.op, BinOp::Eq(_) | BinOp::Ne(_)) => {
                visit::visit_expr_binary(self, it);
            }
            _ => self.visit_expr(condition),
        }
    }

    fn binary(&mut self, binary: &ExprBinary) {
        let Some(swap) = swap(&binary.op) else { return };
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let (open, middle, close, from, to) = match swap {
            Swap::Comparison(from, to) => {
                let close =
                    format!(")) {{ (l, r) => if @ {{ *l {to} *r }} else {{ *l {from} *r }} }})");
                ("(match (&(", "), &(", close, from, to)
            }
            Swap::Arithmetic(from, to) => {
                let close = format!(") {{ (l, r) => if @ {{ l {to} r }} else {{ l {from} r }} }})");
                ("(match (", ", ", close, from, to)
            }
            // Nothing else in a condition may stand around what binds something.
            Swap::Logic(..) if binds(binary) => return,
            // The first operand decides whether there is need of the second, and is the result if not.
            Swap::Logic(from @ "&&", to) => {
                ("(if (", ") != @ { (", ") } else { @ })".to_owned(), from, to)
            }
            Swap::Logic(from, to) => {
                ("(if (", ") == @ { (", ") } else { !@ })".to_owned(), from, to)
            }
        };
        let change = format!("`{from}` becomes `{to}` in `{}`", self.source(left.start..right.end));
        let edits = vec![
            Edit::open(left.start, open),
            Edit::replace(binary.op.span().byte_range(), middle),
            Edit::close(right.end, close),
        ];
        self.add(binary.op.span(), change, edits);
    }

    fn not(&mut self, unary: &ExprUnary) {
        let range = unary.span().byte_range();
        let operator = unary.op.span().byte_range();
        let change = format!("`{}` loses its `!`", self.source(range.clone()));
        let edits = vec![
            Edit::open(range.start, "(match ("),
            Edit::replace(operator, ""),
            Edit::close(range.end, ") { v => if @ { v } else { !v } })"),
        ];
        self.add(unary.span(), change, edits);
    }

    fn method(&mut self, call: &ExprMethodCall) {
        let from = call.method.to_string();
        let (Some(to), 1) = (other_method(&from), call.args.len()) else { return };
        let (all, receiver) = (call.span().byte_range(), call.receiver.span().byte_range());
        let argument = call.args[0].span().byte_range();
        let change = format!("`{from}` becomes `{to}` in `{}`", self.source(all.clone()));
        let name = receiver.end..argument.start;
        let end = argument.end..all.end;
        let middle = format!(", {}", self.breaks(name.clone()));
        let close = format!(
            ") {{ (l, r) => if @ {{ l.{to}(r) }} else {{ l.{from}(r) }} }}){}",
            self.breaks(end.clone())
        );
        let edits = vec![
            Edit::open(all.start, "(match ("),
            Edit::replace(name, middle),
            Edit::replace(end, close),
        ];
        self.add(call.method.span(), change, edits);
    }

    /// A function returns a plain value instead of doing anything.
    fn body(&mut self, signature: &Signature, block: &Block) {
        let open = block.brace_token.span.open().byte_range().end;
        let inside = open..block.brace_token.span.close().byte_range().start;
        let inside = self.source(inside);
        let trivial = match &block.stmts[..] {
            [] => true,
            // Leaving that out is the same.
            [Stmt::Expr(only, _)] if returns_nothing(signature) => {
                is_call(only) || is_assignment(only)
            }
            _ => false,
        };
        for value in plain_values(&signature.output) {
            if trivial || inside == value {
                continue;
            }
            let edit = Edit::open(open, format!(" if @ {{ return {value}; }}"));
            let change = format!("returns `{value}` at once");
            self.add(signature.ident.span(), change, vec![edit]);
        }
    }

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

    /// A test that ends at once where it is to be left out.
    fn gate(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        if attributes.iter().any(|attribute| attribute.path().is_ident("should_panic")) {
            return;
        }
        let name = &signature.ident;
        self.found.gates.push(Edit::open(
            block.brace_token.span.open().byte_range().end,
            format!(
                " if ::mutant::leaves_out(concat!(module_path!(), \"::{name}\")) {{ return; }}"
            ),
        ));
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
                match only_logs(&it.then_branch) {
                    true => self.visit_expr(&it.cond),
                    false => self.condition(&it.cond, true),
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
                    self.visit_pat(&arm.pat);
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
        if is_assignment(expression) {
            self.leave_out(expression.span(), "{ ", " }");
        } else if unit && is_call(expression) {
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

/// The operands of a chain of `&&`.
fn chain(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) => {
            let mut parts = chain(left);
            parts.extend(chain(right));
            parts
        }
        other => vec![other],
    }
}

/// Tells if something is bound in a chain of `&&`.
fn binds(binary: &ExprBinary) -> bool {
    let parts = chain(&binary.left).into_iter().chain(chain(&binary.right));
    parts.into_iter().any(|part| matches!(part, Expr::Let(_)))
}

fn returns_nothing(signature: &Signature) -> bool {
    matches!(signature.output, ReturnType::Default)
}

fn is_call(expression: &Expr) -> bool {
    match expression {
        Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Try(it) => is_call(&it.expr),
        _ => false,
    }
}

fn is_assignment(expression: &Expr) -> bool {
    match expression {
        Expr::Assign(_) => true,
        Expr::Binary(binary) => assigns(&binary.op),
        _ => false,
    }
}

/// Tells if a block does nothing but to tell people something.
fn only_logs(block: &Block) -> bool {
    let logs = |statement: &Stmt| match statement {
        Stmt::Macro(it) => it.mac.path.segments.first().is_some_and(|first| first.ident == "log"),
        _ => false,
    };
    block.stmts.iter().all(logs)
}
