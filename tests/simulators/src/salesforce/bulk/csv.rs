//! Comma-separated values as jobs take and give them (Salesforce docs: Bulk API 2.0, Prepare CSV Files).

use serde::{Deserialize, Serialize};

/// What stands between the columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ColumnDelimiter {
    #[default]
    Comma,
    Backquote,
    Caret,
    Pipe,
    Semicolon,
    Tab,
}

/// What ends a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum LineEnding {
    #[default]
    Lf,
    Crlf,
}

/// How a job's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dialect {
    pub delimiter: ColumnDelimiter,
    pub line_ending: LineEnding,
}

/// Rows of cells.
pub(super) type Table = Vec<Vec<String>>;

impl Dialect {
    fn separator(self) -> char {
        match self.delimiter {
            ColumnDelimiter::Comma => ',',
            ColumnDelimiter::Backquote => '`',
            ColumnDelimiter::Caret => '^',
            ColumnDelimiter::Pipe => '|',
            ColumnDelimiter::Semicolon => ';',
            ColumnDelimiter::Tab => '\t',
        }
    }

    /// Reads rows, the header among them; empty lines are none. The error is what the job fails with.
    pub fn read(self, text: &str) -> Result<Table, String> {
        let separator = self.separator();
        let mut rows = Table::new();
        let mut row = Vec::new();
        let mut cell = String::new();
        let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
        let mut quoted = false;
        // Whether the cell was quoted: an empty one then still makes a row.
        let mut was_quoted = false;
        while let Some(character) = characters.next() {
            if quoted {
                match character {
                    '"' if characters.peek() == Some(&'"') => {
                        characters.next();
                        cell.push('"');
                    }
                    '"' => quoted = false,
                    other => cell.push(other),
                }
                continue;
            }
            let ending = match character {
                '\r' if characters.peek() == Some(&'\n') => {
                    characters.next();
                    LineEnding::Crlf
                }
                '\n' => LineEnding::Lf,
                '"' if cell.is_empty() => {
                    (quoted, was_quoted) = (true, true);
                    continue;
                }
                other if other == separator => {
                    row.push(std::mem::take(&mut cell));
                    was_quoted = false;
                    continue;
                }
                other => {
                    cell.push(other);
                    continue;
                }
            };
            if ending != self.line_ending {
                let expected = if self.line_ending == LineEnding::Lf {
                    "LF"
                } else {
                    "CRLF"
                };
                return Err(format!(
                    "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {expected}"
                ));
            }
            if !(row.is_empty() && cell.is_empty() && !was_quoted) {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            was_quoted = false;
        }
        if quoted {
            return Err(
                "InvalidBatch : Failed to parse CSV: EOF reached before encapsulated token finished".into(),
            );
        }
        if !(row.is_empty() && cell.is_empty() && !was_quoted) {
            row.push(cell);
            rows.push(row);
        }
        Ok(rows)
    }

    /// Writes rows, every cell in quotes.
    pub fn write<'r>(self, rows: impl IntoIterator<Item = &'r Vec<String>>) -> String {
        let mut text = String::new();
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                if at > 0 {
                    text.push(self.separator());
                }
                text.push('"');
                text.push_str(&cell.replace('"', "\"\""));
                text.push('"');
            }
            text.push_str(match self.line_ending {
                LineEnding::Lf => "\n",
                LineEnding::Crlf => "\r\n",
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dialect(delimiter: ColumnDelimiter, line_ending: LineEnding) -> Dialect {
        Dialect {
            delimiter,
            line_ending,
        }
    }

    #[test]
    fn quotes_hold_separators_line_ends_and_doubled_quotes() {
        let read = Dialect::default()
            .read("\u{feff}Id,Text\n1,\"a, \"\"b\"\"\nc\"\n\n2,\n\"\",x")
            .unwrap();
        let expected = [["Id", "Text"], ["1", "a, \"b\"\nc"], ["2", ""], ["", "x"]];
        assert_eq!(read, expected);
    }

    #[test]
    fn each_delimiter_is_its_own_and_another_is_text() {
        let pipes = dialect(ColumnDelimiter::Pipe, LineEnding::Lf);
        assert_eq!(pipes.read("a|b,c").unwrap(), [["a", "b,c"]]);
        let backquotes = dialect(ColumnDelimiter::Backquote, LineEnding::Lf);
        assert_eq!(backquotes.read("a`b").unwrap(), [["a", "b"]]);
    }

    #[test]
    fn the_other_line_ending_fails_the_job_unless_quoted() {
        let refusal = Dialect::default().read("a\r\nb\r\n").unwrap_err();
        assert!(refusal.ends_with("LineEnding setting is LF"), "{refusal}");
        assert_eq!(Dialect::default().read("\"a\r\nb\"\n").unwrap(), [["a\r\nb"]]);
        let windows = dialect(ColumnDelimiter::Comma, LineEnding::Crlf);
        assert!(
            windows
                .read("a\nb")
                .unwrap_err()
                .ends_with("LineEnding setting is CRLF")
        );
        assert_eq!(windows.read("a\r\nb").unwrap(), [["a"], ["b"]]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            rows in proptest::collection::vec(proptest::collection::vec("[ -~\n\r\t\u{e4}]{0,8}", 1..4), 0..6),
            crlf in any::<bool>(),
        ) {
            let ending = if crlf { LineEnding::Crlf } else { LineEnding::Lf };
            for delimiter in [ColumnDelimiter::Comma, ColumnDelimiter::Tab, ColumnDelimiter::Caret] {
                let dialect = dialect(delimiter, ending);
                prop_assert_eq!(&dialect.read(&dialect.write(&rows)).unwrap(), &rows);
            }
        }
    }
}
