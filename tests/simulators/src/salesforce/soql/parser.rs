//! Reads tokens into the syntax tree.

use super::lexer::{Token, TokenKind, tokens};
use super::{Condition, Literal, LiteralValue, Name, Operator, OrderBy, Query, Select, SoqlError};

/// How deep conditions may nest; the service has limits of its own, and a parser must have one.
const DEEPEST: usize = 60;

/// Words that end a clause and are no names there.
const KEYWORDS: [&str; 14] = [
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "OFFSET", "GROUP",
    "HAVING",
];

/// Parses a query.
pub(crate) fn parse(text: &str) -> Result<Query, SoqlError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
    };
    let query = parser.query()?;
    parser.end()?;
    Ok(query)
}

/// Parses what stands after `WHERE` alone: how rules of the simulator are written.
pub(crate) fn parse_condition(text: &str) -> Result<Condition, SoqlError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
    };
    let condition = parser.condition(0)?;
    parser.end()?;
    Ok(condition)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    /// The token to read next; the last one is `End` and is never passed.
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn unexpected<T>(&self) -> Result<T, SoqlError> {
        let token = self.peek();
        Err(SoqlError::unexpected(&token.text, token.at))
    }

    fn is_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next += 1;
        }
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Symbol(known) if known == symbol);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), SoqlError> {
        if self.take_word(word) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), SoqlError> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn end(&self) -> Result<(), SoqlError> {
        if self.peek().kind == TokenKind::End {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn name(&mut self) -> Result<Name, SoqlError> {
        let token = self.peek();
        let keyword = KEYWORDS
            .iter()
            .any(|keyword| token.text.eq_ignore_ascii_case(keyword));
        if token.kind != TokenKind::Word || keyword {
            return self.unexpected();
        }
        let token = self.take();
        Ok(Name {
            text: token.text,
            at: token.at,
        })
    }

    fn query(&mut self) -> Result<Query, SoqlError> {
        self.expect_word("SELECT")?;
        let select = self.select()?;
        self.expect_word("FROM")?;
        let object = self.name()?;
        let filter = if self.take_word("WHERE") {
            Some(self.condition(0)?)
        } else {
            None
        };
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            self.expect_word("BY")?;
            order.push(self.order_term()?);
            while self.take_symbol(",") {
                order.push(self.order_term()?);
            }
        }
        let limit = if self.take_word("LIMIT") {
            Some(self.count()?)
        } else {
            None
        };
        let offset = if self.take_word("OFFSET") {
            Some(self.offset()?)
        } else {
            None
        };
        Ok(Query {
            select,
            object,
            filter,
            order,
            limit,
            offset,
        })
    }

    fn select(&mut self) -> Result<Select, SoqlError> {
        let mut fields = vec![self.name()?];
        if fields[0].text.eq_ignore_ascii_case("COUNT") && self.take_symbol("(") {
            self.expect_symbol(")")?;
            return Ok(Select::Count);
        }
        while self.take_symbol(",") {
            fields.push(self.name()?);
        }
        Ok(Select::Fields(fields))
    }

    fn order_term(&mut self) -> Result<OrderBy, SoqlError> {
        let field = self.name()?;
        let descending = self.take_word("DESC");
        if !descending {
            self.take_word("ASC");
        }
        let mut nulls_last = false;
        if self.take_word("NULLS") {
            nulls_last = self.take_word("LAST");
            if !nulls_last {
                self.expect_word("FIRST")?;
            }
        }
        Ok(OrderBy {
            field,
            descending,
            nulls_last,
        })
    }

    fn count(&mut self) -> Result<usize, SoqlError> {
        let token = self.peek();
        let Ok(count) = token.text.parse::<usize>() else {
            return self.unexpected();
        };
        self.next += 1;
        Ok(count)
    }

    fn offset(&mut self) -> Result<usize, SoqlError> {
        let offset = self.count()?;
        if offset > 2000 {
            return Err(SoqlError {
                code: "NUMBER_OUTSIDE_VALID_RANGE",
                message: "Maximum SOQL offset allowed is 2000".into(),
                at: None,
            });
        }
        Ok(offset)
    }

    /// A chain of one connective. `a AND b OR c` has no meaning without parentheses, and is refused.
    fn condition(&mut self, depth: usize) -> Result<Condition, SoqlError> {
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
            return Ok(Condition::OneOf {
                field,
                negated: true,
                literals: self.list()?,
            });
        }
        if self.take_word("IN") {
            return Ok(Condition::OneOf {
                field,
                negated: false,
                literals: self.list()?,
            });
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
            TokenKind::Text(text) => LiteralValue::Text(text.clone()),
            TokenKind::Number(number) => LiteralValue::Number(*number),
            TokenKind::Date(date) => LiteralValue::Date(*date),
            TokenKind::DateTime(moment) => LiteralValue::DateTime(*moment),
            TokenKind::Word if token.text.eq_ignore_ascii_case("null") => LiteralValue::Null,
            TokenKind::Word if token.text.eq_ignore_ascii_case("true") => LiteralValue::Boolean(true),
            TokenKind::Word if token.text.eq_ignore_ascii_case("false") => LiteralValue::Boolean(false),
            _ => return self.unexpected(),
        };
        let token = self.take();
        Ok(Literal { value, at: token.at })
    }
}
