//! Reads what stands after `WHERE`.

use super::dates::RelativeDate;
use super::lexer::TokenKind;
use super::parser::{DEEPEST, Parser};
use super::{Condition, LONGEST_LITERAL, Literal, LiteralValue, Name, Operator, SoqlError};

impl Parser {
    /// A chain of one connective. `a AND b OR c` has no meaning without parentheses, and is refused.
    pub(super) fn condition(&mut self, depth: usize) -> Result<Condition, SoqlError> {
        if depth > DEEPEST {
            return Err(SoqlError::malformed("Query is too complex", self.peek().at));
        }
        let first = self.term(depth)?;
        let (word, other) = if self.is_word("AND") {
            ("AND", "OR")
        } else if self.is_word("OR") {
            ("OR", "AND")
        } else {
            return Ok(first);
        };
        let mut terms = vec![first];
        while self.take_word(word) {
            terms.push(self.term(depth)?);
        }
        if self.is_word(other) {
            return self.unexpected();
        }
        Ok(if word == "AND" {
            Condition::All(terms)
        } else {
            Condition::Any(terms)
        })
    }

    fn term(&mut self, depth: usize) -> Result<Condition, SoqlError> {
        if depth > DEEPEST {
            return Err(SoqlError::malformed("Query is too complex", self.peek().at));
        }
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.take_symbol("(") {
            let inner = self.condition(depth + 1)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let field = self.name()?;
        if self.take_word("NOT") {
            self.expect_word("IN")?;
            return self.one_of(field, true, depth);
        }
        if self.take_word("IN") {
            return self.one_of(field, false, depth);
        }
        for (word, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.take_word(word) {
                return Ok(Condition::Includes {
                    field,
                    negated,
                    literals: self.list()?,
                });
            }
        }
        let operator = self.operator()?;
        let literal = self.literal()?;
        Ok(Condition::Compare {
            field,
            operator,
            literal,
        })
    }

    fn one_of(&mut self, field: Name, negated: bool, depth: usize) -> Result<Condition, SoqlError> {
        if self.comes_subquery() {
            let query = self.subquery(depth)?;
            return Ok(Condition::OneOfQuery {
                field,
                negated,
                query: Box::new(query),
            });
        }
        let literals = self.list()?;
        Ok(Condition::OneOf {
            field,
            negated,
            literals,
        })
    }

    fn operator(&mut self) -> Result<Operator, SoqlError> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("=", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            (">=", Operator::GreaterOrEqual),
        ];
        if self.take_word("LIKE") {
            return Ok(Operator::Like);
        }
        for (symbol, operator) in OPERATORS {
            if self.take_symbol(symbol) {
                return Ok(operator);
            }
        }
        self.unexpected()
    }

    fn list(&mut self) -> Result<Vec<Literal>, SoqlError> {
        self.expect_symbol("(")?;
        let mut literals = vec![self.literal()?];
        while self.take_symbol(",") {
            literals.push(self.literal()?);
        }
        self.expect_symbol(")")?;
        Ok(literals)
    }

    fn literal(&mut self) -> Result<Literal, SoqlError> {
        let token = self.peek();
        let value = match &token.kind {
            TokenKind::Text(text) if text.chars().count() > LONGEST_LITERAL => {
                // The limit is documented; its wording is not.
                let message =
                    format!("A string in a condition cannot be longer than {LONGEST_LITERAL} characters.");
                return Err(SoqlError::malformed(message, token.at));
            }
            TokenKind::Text(text) => LiteralValue::Text(text.clone()),
            TokenKind::Number(number) => LiteralValue::Number(*number),
            TokenKind::Date(date) => LiteralValue::Date(*date),
            TokenKind::DateTime(moment) => LiteralValue::DateTime(*moment),
            TokenKind::Word if token.text.eq_ignore_ascii_case("null") => LiteralValue::Null,
            TokenKind::Word if token.text.eq_ignore_ascii_case("true") => LiteralValue::Boolean(true),
            TokenKind::Word if token.text.eq_ignore_ascii_case("false") => LiteralValue::Boolean(false),
            TokenKind::Word => match RelativeDate::parse(&token.text) {
                Some(date) => LiteralValue::Relative(date),
                None => return self.unexpected(),
            },
            _ => return self.unexpected(),
        };
        let token = self.take();
        Ok(Literal { value, at: token.at })
    }
}
