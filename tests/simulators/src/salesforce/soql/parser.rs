//! Reads tokens into the syntax tree.

use super::lexer::{Token, TokenKind, tokens};
use super::{Condition, FieldGroup, Function, Item, LONGEST_QUERY, Name, OrderBy, Query, Select, SoqlError};

/// How deep conditions may nest; the service has limits of its own, and a parser must have one.
pub(super) const DEEPEST: usize = 60;

/// Words that end a clause and are no names there.
const KEYWORDS: [&str; 14] = [
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "OFFSET", "GROUP",
    "HAVING",
];

/// Words that follow an object's name, and so are no alias of it.
const CLAUSES: [&str; 10] = [
    "WHERE", "WITH", "USING", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL",
];

/// Parses a query.
pub(crate) fn parse(text: &str) -> Result<Query, SoqlError> {
    if text.len() > LONGEST_QUERY && text.chars().count() > LONGEST_QUERY {
        // The limit is documented; its wording is not.
        let message = format!("SOQL statements cannot be longer than {LONGEST_QUERY} characters.");
        return Err(SoqlError {
            code: "MALFORMED_QUERY",
            message,
            at: None,
        });
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
    };
    let query = parser.query(0)?;
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

pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    /// The token to read next; the last one is `End` and is never passed.
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    pub(super) fn unexpected<T>(&self) -> Result<T, SoqlError> {
        let token = self.peek();
        Err(SoqlError::unexpected(&token.text, token.at))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next += 1;
        }
        found
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Symbol(known) if known == symbol);
        if found {
            self.next += 1;
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), SoqlError> {
        if self.take_word(word) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), SoqlError> {
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

    pub(super) fn name(&mut self) -> Result<Name, SoqlError> {
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

    /// Whether a parenthesis with a query in it comes next.
    pub(super) fn comes_subquery(&self) -> bool {
        let inner = &self.tokens[(self.next + 1).min(self.tokens.len() - 1)];
        matches!(self.peek().kind, TokenKind::Symbol("("))
            && inner.kind == TokenKind::Word
            && inner.text.eq_ignore_ascii_case("SELECT")
    }

    /// A query in parentheses. The service nests them one deep; so deep, semi-joins are refused where they are run.
    pub(super) fn subquery(&mut self, depth: usize) -> Result<Query, SoqlError> {
        if depth > DEEPEST {
            return Err(SoqlError::malformed("Query is too complex", self.peek().at));
        }
        self.expect_symbol("(")?;
        let query = self.query(depth + 1)?;
        self.expect_symbol(")")?;
        Ok(query)
    }

    fn query(&mut self, depth: usize) -> Result<Query, SoqlError> {
        self.expect_word("SELECT")?;
        let select = self.select(depth)?;
        self.expect_word("FROM")?;
        let object = self.name()?;
        let clause = CLAUSES.iter().any(|clause| self.is_word(clause));
        let alias = if self.peek().kind == TokenKind::Word && !clause {
            Some(self.name()?)
        } else {
            None
        };
        let filter = if self.take_word("WHERE") {
            Some(self.condition(depth)?)
        } else {
            None
        };
        let mut group = Vec::new();
        if self.take_word("GROUP") {
            self.expect_word("BY")?;
            group.push(self.name()?);
            while self.take_symbol(",") {
                group.push(self.name()?);
            }
        }
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
            alias,
            filter,
            group,
            order,
            limit,
            offset,
        })
    }

    fn select(&mut self, depth: usize) -> Result<Select, SoqlError> {
        let mut items = Vec::new();
        loop {
            if self.comes_subquery() {
                items.push(Item::Children(Box::new(self.subquery(depth)?)));
            } else {
                let name = self.name()?;
                if !self.take_symbol("(") {
                    let alias = self.alias()?;
                    items.push(Item::Field { name, alias });
                } else if items.is_empty() && name.text.eq_ignore_ascii_case("COUNT") && self.take_symbol(")")
                {
                    return Ok(Select::Count);
                } else {
                    items.push(self.call(&name)?);
                }
            }
            if !self.take_symbol(",") {
                return Ok(Select::Items(items));
            }
        }
    }

    /// What stands in a function's parentheses.
    fn call(&mut self, function: &Name) -> Result<Item, SoqlError> {
        const FUNCTIONS: [(&str, Function); 6] = [
            ("COUNT", Function::Count),
            ("COUNT_DISTINCT", Function::CountDistinct),
            ("MIN", Function::Min),
            ("MAX", Function::Max),
            ("SUM", Function::Sum),
            ("AVG", Function::Avg),
        ];
        const GROUPS: [(&str, FieldGroup); 3] = [
            ("ALL", FieldGroup::All),
            ("STANDARD", FieldGroup::Standard),
            ("CUSTOM", FieldGroup::Custom),
        ];
        let at = function.at;
        if function.text.eq_ignore_ascii_case("FIELDS") {
            let group = GROUPS.iter().find(|(name, _)| self.take_word(name));
            let Some((_, group)) = group else {
                return self.unexpected();
            };
            self.expect_symbol(")")?;
            return Ok(Item::Fields { group: *group, at });
        }
        let known = FUNCTIONS
            .iter()
            .find(|(name, _)| function.text.eq_ignore_ascii_case(name));
        let Some((_, function)) = known else {
            return Err(SoqlError::unexpected("(", at + function.text.len()));
        };
        let field = self.name()?;
        self.expect_symbol(")")?;
        let alias = self.alias()?;
        Ok(Item::Aggregate {
            function: *function,
            field,
            alias,
        })
    }

    /// A word of its own before the next item or `FROM`; any other word is out of place, and said to be.
    fn alias(&mut self) -> Result<Option<Name>, SoqlError> {
        let after = &self.tokens[(self.next + 1).min(self.tokens.len() - 1)];
        let ends = after.kind == TokenKind::Symbol(",") || after.text.eq_ignore_ascii_case("FROM");
        if self.peek().kind == TokenKind::Word && !self.is_word("FROM") && ends {
            self.name().map(Some)
        } else {
            Ok(None)
        }
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
}
