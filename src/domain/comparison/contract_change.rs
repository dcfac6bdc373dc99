//! One change between two contracts, and whether it breaks callers.

use serde::Serialize;

/// What a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A feature that the old contract does not have.
    Added,
    /// A feature that the new contract does not have.
    Removed,
    /// Whether a feature may be left out.
    Required,
    /// The JSON types of a feature, null and the nesting of arrays included.
    Types,
    /// The limits of a number.
    Range,
    /// The listed values of a feature.
    Choices,
    /// Lengths, patterns and multiples.
    Format,
    /// The unit of a feature or of the prediction.
    Unit,
    /// What a missing value becomes.
    Default,
    /// The soft range, which only causes warnings.
    Expected,
    /// Whether the values of a feature may be shown.
    Sensitive,
    /// The order of the features by position.
    Order,
    /// Whether unknown features are refused.
    UnknownFeatures,
    /// A keyword that only full validation checks.
    Keyword,
    /// The task.
    Task,
    /// The classes.
    Classes,
    /// How the class is chosen.
    Decision,
    /// The outputs of raw tensors.
    Outputs,
    /// The coverage that the contract requests.
    Coverage,
}

/// A change between two contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractChange {
    /// The feature, or `output` or `contract`.
    pub subject: String,
    /// What it concerns.
    pub kind: ChangeKind,
    /// What was and what is, in words.
    pub detail: String,
    /// Whether a request that the old version answers may be refused or misread by the new one, or whether a response
    /// may hold what a caller of the old one does not expect.
    pub breaking: bool,
}

impl ContractChange {
    pub(super) fn breaking(subject: &str, kind: ChangeKind, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), kind, detail: detail.into(), breaking: true }
    }

    pub(super) fn compatible(subject: &str, kind: ChangeKind, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), kind, detail: detail.into(), breaking: false }
    }

    pub(super) fn new(breaking: bool, subject: &str, kind: ChangeKind, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), kind, detail: detail.into(), breaking }
    }
}
