//! Cuts a query into tokens.

use jiff::Timestamp;
use jiff::civil::Date;

use super::SoqlError;

/// Stands before a `%` or `_` that was escaped, and so is no wildcard in a `LIKE`. From Unicode's private use area:
/// no record holds it.
pub(crate) const LITERAL_WILDCARD: char = '\u{E000}';

/// One token and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub text: String,
    pub at: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword or a name, dots included, or a relative date with its number.
    Word,
    Text(String),
    Number(f64),
    Date(Date),
    DateTime(Timestamp),
    /// `( ) , = != < <= > >=`; `<>` is read as `!=`.
    Symbol(&'static str),
    End,
}

/// All tokens of a query, the last of which is [`TokenKind::End`].
pub(crate) fn tokens(query: &str) -> Result<Vec<Token>, SoqlError> {
    let mut tokens = Vec::new();
    let mut rest = query;
    loop {
        rest = rest.trim_start();
        let at = query.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                kind: TokenKind::End,
                text: "<EOF>".into(),
                at,
            });
            return Ok(tokens);
        };
        let (kind, length) = if first == '\'' {
            string(rest, at)?
        } else if first.is_ascii_alphabetic() {
            (TokenKind::Word, word(rest))
        } else if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') {
            let length = span(rest, |c| {
                c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | ':')
            });
            (numeral(&rest[..length], at)?, length)
        } else {
            symbol(rest, at)?
        };
        tokens.push(Token {
            kind,
            text: rest[..length].to_owned(),
            at,
        });
        rest = &rest[length..];
    }
}

/// The length of a word; a colon belongs to it before a number, as in `LAST_N_DAYS:7`.
fn word(rest: &str) -> usize {
    let length = span(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let number = rest[length..]
        .strip_prefix(':')
        .map_or(0, |after| span(after, |c| c.is_ascii_digit()));
    if number == 0 { length } else { length + 1 + number }
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}

fn symbol(rest: &str, at: usize) -> Result<(TokenKind, usize), SoqlError> {
    const SYMBOLS: [(&str, &str); 10] = [
        ("!=", "!="),
        ("<>", "!="),
        ("<=", "<="),
        (">=", ">="),
        ("<", "<"),
        (">", ">"),
        ("=", "="),
        ("(", "("),
        (")", ")"),
        (",", ","),
    ];
    for (written, meant) in SYMBOLS {
        if rest.starts_with(written) {
            return Ok((TokenKind::Symbol(meant), written.len()));
        }
    }
    let character = rest.chars().next().map(String::from).unwrap_or_default();
    Err(SoqlError::unexpected(&character, at))
}

/// A number, a date or a date with time; the latter two are never quoted in SOQL.
fn numeral(text: &str, at: usize) -> Result<TokenKind, SoqlError> {
    if let Ok(number) = text.parse::<f64>()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'))
    {
        return Ok(TokenKind::Number(number));
    }
    if text.len() == 10
        && let Ok(date) = text.parse::<Date>()
    {
        return Ok(TokenKind::Date(date));
    }
    if text.contains('T')
        && let Ok(moment) = text.parse::<Timestamp>()
    {
        return Ok(TokenKind::DateTime(moment));
    }
    Err(SoqlError::unexpected(text, at))
}

fn string(rest: &str, at: usize) -> Result<(TokenKind, usize), SoqlError> {
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\'' => return Ok((TokenKind::Text(value), index + 1)),
            '\\' => {
                let escaped = characters.next().map(|(_, escaped)| escaped);
                match escaped {
                    Some(same @ ('\'' | '"' | '\\')) => value.push(same),
                    Some('n' | 'N') => value.push('\n'),
                    Some('r' | 'R') => value.push('\r'),
                    Some('t' | 'T') => value.push('\t'),
                    Some('b' | 'B') => value.push('\u{8}'),
                    Some('f' | 'F') => value.push('\u{c}'),
                    Some(wildcard @ ('%' | '_')) => {
                        value.push(LITERAL_WILDCARD);
                        value.push(wildcard);
                    }
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(SoqlError::malformed(
                            format!(
                                "Invalid string literal. Illegal character sequence '\\{other}' in string literal."
                            ),
                            at,
                        ));
                    }
                }
            }
            _ => value.push(character),
        }
    }
    Err(SoqlError::malformed(
        "line 1:0 mismatched character '<EOF>' expecting '''",
        at,
    ))
}
