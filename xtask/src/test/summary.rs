//! What is said at the end of a test run.

use std::fmt::Write as _;
use std::time::Duration;

pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

impl Report {
    /// The row of this step in the table.
    pub(crate) fn line(&self) -> String {
        let (word, why) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(problem) => ("FAILED", problem.as_str()),
            Outcome::Skipped(reason) => ("skipped", reason.as_str()),
        };
        let row = format!("{:<10} {word:<8} {:>7.1} s  {why}", self.name, self.took.as_secs_f64());
        row.trim_end().to_owned()
    }
}

/// A row for each step and, as the last line, the counts in a form that scripts may read.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(text, "{}", report.line());
    }
    let count = |wanted: fn(&Outcome) -> bool| reports.iter().filter(|report| wanted(&report.outcome)).count();
    let passed = count(|outcome| matches!(outcome, Outcome::Passed));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let _ = writeln!(text, "{passed} passed, {failed} failed, {skipped} skipped");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_and_each_reason_is_shown() {
        let reports = [
            Report { name: "fmt", outcome: Outcome::Passed, took: Duration::from_millis(1500) },
            Report { name: "clippy", outcome: Outcome::Failed("a warning".to_owned()), took: Duration::ZERO },
            Report { name: "browser", outcome: Outcome::Skipped("no Chromium".to_owned()), took: Duration::ZERO },
        ];
        let text = table(&reports);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "fmt        passed       1.5 s");
        assert!(lines[1].contains("FAILED") && lines[1].ends_with("a warning"));
        assert!(lines[2].ends_with("no Chromium"));
        assert_eq!(lines.last(), Some(&"1 passed, 1 failed, 1 skipped"));
    }
}
