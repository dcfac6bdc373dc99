//! What the document is built from.

use super::super::{
    context::ModelVisibility,
    state::{AccessSummary, AppState},
};
use crate::repository::{Catalog, ModelVersion};

/// What the document is built from, for one caller.
pub(in crate::api::http) struct View<'a> {
    pub(in crate::api::http) catalog: &'a Catalog,
    /// The models visible to the caller.
    pub(in crate::api::http) visibility: &'a ModelVisibility,
    /// Whether the server requires tokens.
    pub(in crate::api::http) secured: bool,
    /// Whether /metrics requires a token.
    pub(in crate::api::http) secured_metrics: bool,
    /// Whether callers are rate limited.
    pub(in crate::api::http) metered: bool,
}

impl<'a> View<'a> {
    pub(in crate::api::http) fn new(state: &AppState, catalog: &'a Catalog, visibility: &'a ModelVisibility) -> Self {
        let AccessSummary { secured, secured_metrics, metered } = state.access;
        Self { catalog, visibility, secured, secured_metrics, metered }
    }

    /// Returns the versions that serve requests, of the visible models.
    pub(in crate::api::http) fn served(&self) -> impl Iterator<Item = &'a ModelVersion> {
        let entries = self.catalog.models.values().filter(|entry| self.visibility.covers(entry.name.as_str()));
        entries.filter_map(|entry| entry.stable().map(|version| &**version))
    }
}
