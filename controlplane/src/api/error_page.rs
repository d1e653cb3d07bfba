//! The pages that explain the codes: those of `docs/errors/`, as they were when
//! this program was built, so that what it answers and what it explains are of
//! one version.

/// Code and page, by code.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// The page of a code, in Markdown.
pub fn page_of(code: &str) -> Option<&'static str> {
    let found = PAGES.binary_search_by_key(&code, |(code, _)| code);
    found.ok().map(|index| PAGES[index].1)
}

/// The `type` of a problem with this code, which leads to its page: a
/// reference relative to whatever host answered (RFC 9457). An agent newer
/// than this node may report a code that has no page here.
pub fn type_of(code: &str) -> String {
    match page_of(code) {
        Some(_) => format!("/errors/{code}"),
        None => "about:blank".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_code() {
        assert!(PAGES.len() > 100);
        for (code, page) in PAGES {
            assert_eq!(page_of(code), Some(*page), "{code}");
            assert!(page.starts_with(&format!("# `{code}`: ")), "{code}");
        }
    }

    #[test]
    fn a_type_leads_to_a_page_that_is_there() {
        assert_eq!(type_of("not_found"), "/errors/not_found");
        for code in ["code_of_tomorrow", "", "../x", "not_found.md"] {
            assert_eq!(type_of(code), "about:blank", "{code}");
        }
    }
}
