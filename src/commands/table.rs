//! How rows are shown on a terminal.

use std::io::Write;

/// The longest cell, in characters; what is longer is cut.
const WIDEST: usize = 48;

/// Writes rows under a header, in columns as wide as they need to be.
pub fn write(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
    let cells: Vec<Vec<String>> = std::iter::once(header.iter().map(|name| (*name).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()))
        .collect();
    let mut widths = vec![0; header.len()];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &cells {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// One line, of printable characters: a record's text must not move the cursor or colour the terminal of whoever looks
/// at it.
fn cell(text: &str) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == WIDEST {
            shown.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Marks that turn the direction of text or hide it.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be_and_long_values_are_cut() {
        let mut out = Vec::new();
        let rows = [
            vec!["a".to_owned(), "x".repeat(60)],
            vec!["bbbb".to_owned(), String::new()],
        ];
        write(&mut out, &["WHO", "WHAT"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "WHO   WHAT");
        assert_eq!(lines[1], format!("a     {}…", "x".repeat(48)));
        assert_eq!(lines[2], "bbbb");
    }

    #[test]
    fn a_value_cannot_play_with_the_terminal() {
        let shown = cell("\u{1b}[2J\r\nrm -rf\u{202e}");
        assert!(shown.chars().all(|character| !character.is_control()), "{shown}");
        assert_eq!(shown, "\\u{1b}[2J\\r\\nrm -rf\\u{202e}");
    }
}
