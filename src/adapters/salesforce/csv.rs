//! Comma-separated values as Bulk API 2.0 takes and gives them (RFC 4180, lines that end in LF; CRLF is read too).

use std::fmt::Write as _;

/// A table whose first line names its columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// The columns' names.
    pub(super) columns: Vec<String>,
    /// As many cells each as there are columns.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a table; `None` where it is not one: a quote that never ends, a line with too few or too many cells.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = lines(text)?.into_iter();
        let columns = lines.next().unwrap_or_default();
        let rows: Vec<Vec<String>> = lines.collect();
        rows.iter()
            .all(|row| row.len() == columns.len())
            .then_some(Self { columns, rows })
    }
}

/// Appends one line.
pub(super) fn write_line<'a>(text: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

/// The cells of each line; empty lines at the end are none.
fn lines(text: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = Vec::new();
    let mut line: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut characters = text.chars().peekable();
    let mut quoted = false;
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
        match character {
            '"' if cell.is_empty() => quoted = true,
            ',' => line.push(std::mem::take(&mut cell)),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            other => cell.push(other),
        }
    }
    if quoted {
        return None;
    }
    if !cell.is_empty() || !line.is_empty() {
        line.push(cell);
        lines.push(line);
    }
    while lines
        .last()
        .is_some_and(|line: &Vec<String>| line.len() == 1 && line[0].is_empty())
    {
        lines.pop();
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<Vec<Vec<String>>> {
        Table::parse(text).map(|table| table.rows)
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_ends() {
        let table = Table::parse("\"Id\",\"Name\"\r\n\"1\",\"a,\"\"b\"\"\nc\"\n2,\n").unwrap();
        assert_eq!(table.columns, ["Id", "Name"]);
        assert_eq!(table.rows, [["1", "a,\"b\"\nc"], ["2", ""]]);
    }

    #[test]
    fn a_torn_table_is_no_table() {
        assert_eq!(parse("Id,Name\n\"1\",\"a"), None);
        assert_eq!(parse("Id,Name\n1\n"), None);
        assert_eq!(parse("Id,Name\n1,2,3\n"), None);
    }

    #[test]
    fn a_table_without_rows_is_one() {
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("Id,Name\n"), Some(Vec::new()));
        assert_eq!(parse("Id\n1"), Some(vec![vec!["1".to_owned()]]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            rows in proptest::collection::vec(proptest::array::uniform3("([a-z\",\n é]|\r\n){0,12}"), 0..8),
        ) {
            let mut text = String::new();
            write_line(&mut text, ["One", "Two", "Three"]);
            for row in &rows {
                write_line(&mut text, row.iter().map(String::as_str));
            }
            prop_assert_eq!(parse(&text), Some(rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>()));
        }
    }
}
