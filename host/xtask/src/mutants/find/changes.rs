//! The changes themselves.

use std::ops::Range;

use proc_macro2::Span;
use syn::{
    Attribute, BinOp, Block, Expr, ExprBinary, ExprMethodCall, ExprUnary, ReturnType, Signature,
    Stmt, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{
    super::{
        operators::{Swap, assigns, other_method, plain_values, swap},
        splice::Edit,
    },
    Finder, Mutation,
};

/// The longest piece of source in the name of a change, in characters.
const LONGEST: usize = 80;

impl Finder<'_> {
    pub(super) fn add(&mut self, span: Span, change: String, edits: Vec<Edit>) {
        if let Some(function) = self.function.clone() {
            let line = span.start().line;
            self.found.mutations.push(Mutation { function, line, change, edits });
        }
    }

    /// The source at a place, in one line.
    pub(super) fn source(&self, range: Range<usize>) -> String {
        let words: Vec<_> = self.text[range].split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    }

    /// As many line breaks as there are at a place.
    pub(super) fn breaks(&self, range: Range<usize>) -> String {
        "\n".repeat(self.text[range].matches('\n').count())
    }

    pub(super) fn leave_out(&mut self, span: Span, before: &str, behind: &str) {
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
    pub(super) fn condition(&mut self, condition: &Expr, may_be_true: bool) {
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

    pub(super) fn binary(&mut self, binary: &ExprBinary) {
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

    pub(super) fn not(&mut self, unary: &ExprUnary) {
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

    pub(super) fn method(&mut self, call: &ExprMethodCall) {
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
    pub(super) fn body(&mut self, signature: &Signature, block: &Block) {
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

    /// A test that ends at once where it is to be left out.
    pub(super) fn gate(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
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

/// Returns true if something is bound in a chain of `&&`.
fn binds(binary: &ExprBinary) -> bool {
    let parts = chain(&binary.left).into_iter().chain(chain(&binary.right));
    parts.into_iter().any(|part| matches!(part, Expr::Let(_)))
}

pub(super) fn returns_nothing(signature: &Signature) -> bool {
    matches!(signature.output, ReturnType::Default)
}

pub(super) fn is_call(expression: &Expr) -> bool {
    match expression {
        Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Try(it) => is_call(&it.expr),
        _ => false,
    }
}

pub(super) fn is_assignment(expression: &Expr) -> bool {
    match expression {
        Expr::Assign(_) => true,
        Expr::Binary(binary) => assigns(&binary.op),
        _ => false,
    }
}
