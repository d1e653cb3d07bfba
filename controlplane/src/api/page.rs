//! Lists: `?limit&cursor` in, `{items, nextCursor}` out.

use holdfast_state::query::{LIMIT_MAX, Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::error::{AppError, Result};

/// How many items a page has when nobody says.
const DEFAULT: u64 = 100;

/// The query of a list without filters.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// At most this many items, 1 to 1000; 100 when it is not said.
    pub limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    pub cursor: Option<String>,
}

/// Reads which page is wanted.
#[derive(Debug)]
pub struct PageParams;

impl PageParams {
    /// The page as a query takes it.
    pub fn page(limit: Option<u64>, cursor: Option<String>) -> Result<PageRequest> {
        let limit = limit.unwrap_or(DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("a page has 1 to {LIMIT_MAX} items");
            return Err(AppError::invalid("limit", message));
        }
        Ok(PageRequest { limit, cursor })
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Gives the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> From<Page<T>> for List<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next_cursor,
        }
    }
}
