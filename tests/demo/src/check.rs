//! Printing: headings, what people do, commands with their output, and what was expected and seen.

use std::fmt::Display;
use std::io::{Stdout, Write as _, stdout};

use crate::failure::Failure;
use crate::records::Pair;

/// What [`Teller::pair`] shows.
const PAIRED: [(&str, &str); 7] = [
    ("Subject", "short_description"),
    ("Description", "description"),
    ("Origin", "contact_type"),
    ("ServiceNow_Number__c", "number"),
    ("ServiceNow_Assignment_Group__c", "category"),
    ("Priority", "impact"),
    ("ServiceNow_Sys_Id__c", "correlation_id"),
];

/// Tells the story to whoever watches, and remembers what was not as expected.
#[derive(Debug)]
pub struct Teller {
    out: Stdout,
    colour: bool,
    steps: u32,
    step: String,
    checks: u32,
    failed: Vec<String>,
}

impl Teller {
    /// Nothing told yet. Colours are for terminals.
    pub fn new(colour: bool) -> Self {
        Self {
            out: stdout(),
            colour,
            steps: 0,
            step: "start".to_owned(),
            checks: 0,
            failed: Vec::new(),
        }
    }

    /// Begins a part of the preparations.
    pub fn part(&self, text: &str) {
        self.line(&format!("{} {text}", self.paint("36", "▸")));
    }

    /// Begins a step of the story.
    pub fn step(&mut self, title: &str) {
        self.steps += 1;
        self.step = format!("{}. {title}", self.steps);
        let line = "─".repeat(100_usize.saturating_sub(self.step.chars().count()));
        self.line(&format!(
            "\n{}",
            self.paint("1;36", &format!("── {} {line}", self.step))
        ));
    }

    /// An empty line.
    pub fn gap(&self) {
        self.line("");
    }

    /// Explains.
    pub fn say(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("   {line}"));
        }
    }

    /// Shows a command and what it printed.
    pub fn command(&self, command: &str, output: &str) {
        self.line(&format!("   {}", self.paint("1", &format!("$ {command}"))));
        for line in output.trim_end().lines() {
            self.line(&format!("   │ {line}"));
        }
    }

    /// Shows a case and an incident that belong together, field beside field.
    pub fn pair(&self, pair: &Pair) {
        let (case, incident) = (&pair.case, &pair.incident);
        let (first, second) = if pair.from_case {
            ("by a person", "by syncflow")
        } else {
            ("by syncflow", "by a person")
        };
        self.row(
            &format!("case {}, {first}", case.id()),
            &format!("incident, {second}"),
        );
        for (there, here) in PAIRED {
            self.row(
                &format!("{there}: {}", case.text(there)),
                &format!("{here}: {}", incident.text(here)),
            );
        }
    }

    fn row(&self, left: &str, right: &str) {
        // Descriptions have several lines.
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        self.line(&format!("   │ {:<64} {}", first(left), first(right)));
    }

    /// Shows what was expected and what was seen instead or indeed.
    pub fn check(&mut self, expected: &str, seen: &str, as_expected: bool) {
        self.checks += 1;
        let mark = if as_expected {
            self.paint("1;32", "✓")
        } else {
            self.paint("1;31", "✗")
        };
        self.line(&format!("   {mark} expected  {expected}\n     seen      {seen}"));
        if !as_expected {
            self.failed
                .push(format!("{}: expected {expected}; seen {seen}", self.step));
        }
    }

    /// Expects two values to be equal.
    pub fn equal<T: PartialEq + Display>(&mut self, what: &str, expected: &T, seen: &T) {
        let same = expected == seen;
        self.check(&format!("{what}: {expected}"), &seen.to_string(), same);
    }

    /// Expects a list of complaints to be empty.
    pub fn none(&mut self, expected: &str, complaints: &[String]) {
        let seen = match complaints {
            [] => "no exception".to_owned(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
        };
        self.check(expected, &seen, complaints.is_empty());
    }

    /// Begins a line of waiting; [`Teller::dot`] and [`Teller::waited`] go on with it.
    pub fn waiting(&self, what: &str) {
        self.print(&format!("   … until {what} "));
    }

    /// A sign of life.
    pub fn dot(&self) {
        self.print(".");
    }

    /// Ends a line of waiting.
    pub fn waited(&self, seconds: f64) {
        self.line(&format!(" {seconds:.1} s"));
    }

    fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    fn print(&self, text: &str) {
        // Who closes the output does not want to know more; the exit code still tells.
        let mut out = self.out.lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// A step could not go on.
    pub fn failed_in_step(&mut self, failure: &Failure) {
        self.line(&format!("   {} {failure}", self.paint("1;31", "✗")));
        self.failed.push(format!("{}: {failure}", self.step));
    }

    /// Something failed before or after the story.
    pub fn failed_outside_a_step(&self, failure: &Failure) {
        self.line(&format!("{} {failure}", self.paint("1;31", "✗")));
    }

    /// Names what failed; true if nothing did.
    pub fn summary(&self) -> bool {
        if self.failed.is_empty() {
            let all = format!(
                "✓ all {} expectations of {} steps were met",
                self.checks, self.steps
            );
            self.line(&format!("\n{}", self.paint("1;32", &all)));
            return true;
        }
        let some = "✗ not as expected:";
        self.line(&format!("\n{}", self.paint("1;31", some)));
        for failure in &self.failed {
            self.line(&format!("  - {failure}"));
        }
        false
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_expectation_that_is_not_met_fails_the_whole_story() {
        let mut teller = Teller::new(false);
        teller.step("a step");
        teller.equal("the count", &1, &1);
        assert!(teller.summary());
        teller.equal("the count", &1, &2);
        teller.none("nothing odd", &[]);
        assert!(!teller.summary());
        assert_eq!(teller.failed, ["1. a step: expected the count: 1; seen 2"]);
    }

    #[test]
    fn a_step_that_could_not_go_on_fails_the_whole_story() {
        let mut teller = Teller::new(false);
        teller.failed_in_step(&Failure::Missing("pair"));
        assert!(!teller.summary());
    }
}
