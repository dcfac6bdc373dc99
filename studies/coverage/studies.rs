//! What is measured: which versions, with which sets, by which groups; and their held-out rows.

use std::path::{Path, PathBuf};

use candor::{
    authoring::{CalibrateOptions, SetChoice, load_held_out},
    repository::Loader,
};

use crate::rows::Rows;

/// One thing to measure.
pub(crate) struct Study {
    /// The version, as `model/version`.
    pub(crate) version: &'static str,
    sets: Option<SetChoice>,
    /// The feature by whose values coverage is measured, with quantiles for all and with quantiles by group.
    group: Option<&'static str>,
}

/// Everything that is measured. A version that is not there is passed over.
pub(crate) const STUDIES: [Study; 10] = [
    Study { version: "breast-cancer/1", sets: Some(SetChoice::Lac), group: None },
    Study { version: "breast-cancer/1", sets: Some(SetChoice::Aps), group: None },
    Study { version: "digits/1", sets: Some(SetChoice::Lac), group: None },
    Study { version: "digits/1", sets: Some(SetChoice::Aps), group: None },
    Study { version: "wine/1", sets: Some(SetChoice::Lac), group: None },
    Study { version: "wine/1", sets: Some(SetChoice::Aps), group: None },
    Study { version: "churn/1", sets: Some(SetChoice::Aps), group: None },
    Study { version: "churn/1", sets: Some(SetChoice::Lac), group: Some("plan") },
    Study { version: "diabetes/1", sets: None, group: None },
    Study { version: "diabetes/2", sets: None, group: None },
];

impl Study {
    /// Where the version lies.
    pub(crate) fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(self.version)
    }

    /// The held-out rows with what the version says of them.
    pub(crate) fn read(&self, loader: &Loader, tables: &Path) -> Rows {
        let model = self.version.split('/').next().unwrap_or_default();
        let wishes = CalibrateOptions {
            target: Some("target".to_owned()),
            sets: self.sets,
            group: self.group.map(str::to_owned),
            ..CalibrateOptions::default()
        };
        let table = tables.join(format!("{model}-held-out.jsonl"));
        let read = load_held_out(loader, &self.directory(), &table, &wishes);
        let rows = Rows::new(read.unwrap_or_else(|error| panic!("{}: {error}", self.version)));
        eprintln!("{}: {} held-out rows", self.version, rows.len());
        rows
    }
}
