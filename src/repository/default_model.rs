//! Selects the default model, which serves `/predict`, and checks that the models named in the configuration exist.

use super::{
    Settings, error::ModelError, file_names::MODEL_SETTINGS, model_settings::ModelSettings, open_source::open_source,
    scan::ModelDirectory,
};
use crate::domain::text::did_you_mean;

/// Returns the name of the default model: the configured one, else the one marked in its model.toml. Returns an empty
/// name if there is neither; the catalog then takes the only model, if there is just one.
pub(super) fn default_model(configured: &str, models: &[ModelDirectory]) -> String {
    if !configured.is_empty() {
        return configured.to_owned();
    }
    match marked(models).as_slice() {
        [model] => model.name.as_str().to_owned(),
        // Several marked models are an error at start. If they appear later, none of them is the default.
        _ => String::new(),
    }
}

/// Checks the model names in the configuration: the default model, and the models that callers are limited to
/// (`limits`: caller and model). Returns one sentence per name that matches no model.
///
/// # Errors
/// Returns [`ModelError`] if the repository itself cannot be read.
pub fn name_errors<'t>(
    settings: &Settings,
    limits: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<Vec<String>, ModelError> {
    let models = open_source(settings)?.0.scan()?.models;
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let missing = |who: &str, name: &str| {
        let hint = match did_you_mean(name, names.iter().copied()) {
            hint if hint.is_empty() => "; there are".to_owned(),
            hint => hint + " There are",
        };
        let place = settings.models.display();
        (!names.contains(&name)).then(|| format!("{who}: {place} holds no model {name:?}{hint}: {}", names.join(", ")))
    };
    let mut faults = Vec::new();
    if settings.default_model.is_empty() {
        faults.extend(marked_twice(&models));
    } else {
        faults.extend(missing("repository.default_model", &settings.default_model));
    }
    let callers = limits
        .into_iter()
        .filter_map(|(caller, model)| missing(&format!("security.tokens_file, caller {caller:?}"), model));
    let mut callers: Vec<String> = callers.collect();
    callers.sort();
    faults.extend(callers);
    Ok(faults)
}

/// The models whose model.toml sets `default = true`.
fn marked(models: &[ModelDirectory]) -> Vec<&ModelDirectory> {
    // A model.toml that cannot be read makes its own model unavailable, with the reason.
    let says_so = |model: &&ModelDirectory| {
        ModelSettings::read(model.directory.as_deref()).is_ok_and(|settings| settings.default)
    };
    models.iter().filter(says_so).collect()
}

fn marked_twice(models: &[ModelDirectory]) -> Option<String> {
    let marked = marked(models);
    let files: Vec<String> = marked
        .iter()
        .map(|model| model.directory.as_deref().unwrap_or("".as_ref()).join(MODEL_SETTINGS).display().to_string())
        .collect();
    (marked.len() > 1)
        .then(|| format!("{} set `default = true`: only one model can be the default", files.join(" and ")))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::repository::file_names::GRAPH;

    /// A repository of two models with these contents of model.toml.
    fn repository(settings: [&str; 2]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (name, settings) in ["churn", "wine"].into_iter().zip(settings) {
            let version = root.path().join(name).join("1");
            fs::create_dir_all(&version).expect("made");
            fs::write(version.join(GRAPH), "").expect("written");
            fs::write(root.path().join(name).join(MODEL_SETTINGS), settings).expect("written");
        }
        root
    }

    fn settings(models: &Path, default_model: &str) -> Settings {
        Settings { default_model: default_model.to_owned(), ..Settings::at(models.to_path_buf()) }
    }

    #[test]
    fn the_configured_model_comes_before_the_marked_one() {
        for (files, configured, expected) in [
            (["", ""], "", ""),
            (["default = true", ""], "", "churn"),
            (["default = true", ""], "wine", "wine"),
            (["default = false", "default = true\nrequired = false"], "", "wine"),
            (["default = true", "default = true"], "", ""),
            (["default = true", "deadline = 1"], "", "churn"),
        ] {
            let root = repository(files);
            let models = crate::repository::scan(root.path()).expect("a listing").models;
            assert_eq!(default_model(configured, &models), expected, "{files:?} {configured}");
        }
    }

    #[test]
    fn names_that_lead_to_no_model_are_told_with_the_models_there_are() {
        let root = repository(["", ""]);
        let place = root.path().display().to_string();
        let faults = |default: &str, limits: &[(&str, &str)]| {
            name_errors(&settings(root.path(), default), limits.iter().copied()).expect("a listing")
        };
        assert_eq!(faults("churn", &[("web", "wine"), ("app", "churn")]), Vec::<String>::new());
        assert_eq!(
            faults("chrun", &[("web", "wine"), ("web", "iris"), ("app", "win")]),
            [
                format!(
                    "repository.default_model: {place} holds no model \"chrun\"; did you mean \"churn\"? There are: churn, wine"
                ),
                format!(
                    "security.tokens_file, caller \"app\": {place} holds no model \"win\"; did you mean \"wine\"? There are: churn, wine"
                ),
                format!(
                    "security.tokens_file, caller \"web\": {place} holds no model \"iris\"; there are: churn, wine"
                ),
            ]
        );
        let twice = repository(["default = true", "default = true"]);
        let found = name_errors(&settings(twice.path(), ""), []).expect("a listing");
        assert!(found.len() == 1 && found[0].ends_with("only one model can be the default"), "{found:?}");
        assert!(found[0].contains("churn/model.toml and ") && found[0].contains("wine/model.toml"), "{found:?}");
        assert!(name_errors(&settings(twice.path(), "wine"), []).expect("a listing").is_empty());
    }
}
