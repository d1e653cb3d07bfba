//! Whether docs/pitfalls.md and the tests agree: each pitfall is there, each test that
//! it names is where it says, and says itself which pitfall it is about.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

const PAGE: &str = "docs/pitfalls.md";
/// The pitfalls, from 1.
const LAST: u32 = 33;

/// Compares the page with the tests.
pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().context("xtask lies in the project")?;
    let page = std::fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let sections = sections(&page);
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    let wrong = wrong(&sections, read);
    if !wrong.is_empty() {
        bail!(
            "{PAGE} and the tests do not agree:\n  {}",
            wrong.join("\n  ")
        );
    }
    let tests: BTreeSet<_> = sections.iter().flat_map(|one| &one.tests).collect();
    println!("{LAST} pitfalls are cited by {} tests", tests.len());
    Ok(())
}

/// What the page says of a pitfall.
#[derive(Debug, PartialEq, Eq)]
struct Section {
    number: u32,
    /// Files and functions.
    tests: Vec<(String, String)>,
}

/// `### 7. Title`, and in what follows items such as "- `file`: `function`, `function`",
/// which may go on in lines that are indented.
fn sections(page: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut file = None;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let number = heading.split('.').next().unwrap_or_default();
            let number = number.parse().unwrap_or_default();
            let tests = Vec::new();
            sections.push(Section { number, tests });
        }
        let rest = match line
            .strip_prefix("- `")
            .and_then(|item| item.split_once("`:"))
        {
            Some((named, rest)) => {
                file = Some(named.to_owned());
                rest
            }
            None if line.starts_with("  ") => line,
            None => {
                file = None;
                continue;
            }
        };
        if let (Some(file), Some(section)) = (&file, sections.last_mut()) {
            let functions = rest.split('`').skip(1).step_by(2);
            let tests = functions.map(|function| (file.clone(), function.to_owned()));
            section.tests.extend(tests);
        }
    }
    sections
}

/// Everything that does not agree, where `read` gives the text of a file.
fn wrong(sections: &[Section], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let numbers: Vec<u32> = sections.iter().map(|section| section.number).collect();
    let mut wrong = Vec::new();
    if numbers != (1..=LAST).collect::<Vec<_>>() {
        wrong.push(format!("the headings are {numbers:?}, not 1 to {LAST}"));
    }
    for Section { number, tests } in sections {
        if tests.is_empty() {
            wrong.push(format!("pitfall {number} has no test"));
        }
        for (file, function) in tests {
            let Some(text) = read(file) else {
                wrong.push(format!("pitfall {number}: {file} is not there"));
                continue;
            };
            match block(&text, function) {
                None => wrong.push(format!("pitfall {number}: {file} has no {function}")),
                Some(block) if !cited(&block).contains(number) => {
                    wrong.push(format!("{file}: {function} does not cite pitfall {number}"));
                }
                Some(_) => {}
            }
        }
    }
    wrong
}

/// A function with what stands above it, from the last blank line on.
fn block(text: &str, function: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = format!("fn {function}(");
    let at = lines.iter().position(|line| line.contains(&begins))?;
    let above = lines[..at].iter().rposition(|line| line.trim().is_empty());
    let indent = lines[at].len() - lines[at].trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let length = lines[at..].iter().position(|line| *line == end)?;
    let first = above.map_or(0, |above| above + 1);
    Some(lines[first..=at + length].join("\n"))
}

/// The numbers behind "pitfall" in comments: "Pitfall 7", "Pitfalls 18 and 19".
fn cited(text: &str) -> BTreeSet<u32> {
    let comments = text
        .lines()
        .filter_map(|line| line.split_once("//").map(|(_, comment)| comment));
    let mut cited = BTreeSet::new();
    for comment in comments {
        let lower = comment.to_lowercase();
        for behind in lower.split("pitfall").skip(1) {
            let words = behind.trim_start_matches('s').split_whitespace();
            let words = words.map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation()));
            let list = words.take_while(|word| *word == "and" || word.parse::<u32>().is_ok());
            cited.extend(list.filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    cited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_tests_agree() {
        run().unwrap();
    }

    #[test]
    fn citations_are_lists_of_numbers() {
        for (text, numbers) in [
            ("// Pitfall 7", &[7][..]),
            (
                "    /// I-07, pitfalls 18, 19 and 2: more, and 4.",
                &[2, 18, 19],
            ),
            ("x(); // pitfall 5; of 6", &[5]),
            ("fn pitfall() { 7 }", &[]),
        ] {
            assert_eq!(cited(text), numbers.iter().copied().collect(), "{text}");
        }
    }

    #[test]
    fn what_does_not_agree_is_named() {
        let page =
            "## A\n### 1. One\nText of `x`.\n\n- `a.rs`:\n  `one`, `two`: both\n\n### 2. Two\n";
        let found = sections(page);
        let named = |function: &str| ("a.rs".to_owned(), function.to_owned());
        assert_eq!(found[0].tests, [named("one"), named("two")]);
        let read = |file: &str| {
            let text =
                "// Pitfall 1\n#[test]\nfn one() {\n}\n\n#[test]\nfn two() {\n}\n\n// Pitfall 1\n";
            (file == "a.rs").then(|| text.to_owned())
        };
        let wrong = wrong(&found, read);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].starts_with("the headings are [1, 2]"));
        assert_eq!(wrong[1], "a.rs: two does not cite pitfall 1");
        assert_eq!(wrong[2], "pitfall 2 has no test");
        let third = Section {
            number: 3,
            tests: vec![named("three"), ("b.rs".to_owned(), "one".to_owned())],
        };
        let wrong = super::wrong(&[third], read);
        assert_eq!(wrong[1], "pitfall 3: a.rs has no three");
        assert_eq!(wrong[2], "pitfall 3: b.rs is not there");
    }
}
