//! A directory of models that a test changes while servers serve it: each version adds a constant of its own, and its
//! version.json names the same constant, so that an answer shows which files it comes from.

use std::{fmt::Display, fs, path::PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use candor::config::Config;

use crate::support::{
    http_client::Reply,
    onnx::{adder, adder_contract},
    server::{Server, send_to},
    tokens::{Caller, write_tokens},
};

/// The body of a prediction.
pub(crate) const BODY: &str = r#"{"features":{"x":1}}"#;

/// The token of the administrator.
const TOKEN: &str = "foo";

/// The names and contents of the files of a version.
pub(crate) type VersionFiles = Vec<(&'static str, Vec<u8>)>;

/// The files of the version that adds this constant.
pub(crate) fn files(constant: f32) -> VersionFiles {
    let golden = json!({ "features": { "x": 1 }, "expect": { "prediction": 1.0 + constant } });
    let provenance = json!({ "training_data": { "tag": tag(constant) } });
    vec![
        ("model.onnx", adder(constant)),
        ("contract.json", adder_contract().to_string().into_bytes()),
        ("golden.jsonl", format!("{golden}\n").into_bytes()),
        ("version.json", provenance.to_string().into_bytes()),
    ]
}

/// The same with the digests of the files in version.json.
pub(crate) fn sealed_files(constant: f32) -> VersionFiles {
    let mut files = files(constant);
    let listed: serde_json::Map<String, Value> = files
        .iter()
        .filter(|(name, _)| *name != "version.json")
        .map(|(name, content)| ((*name).to_owned(), json!(format!("sha256:{}", hexadecimal(content)))))
        .collect();
    let provenance = json!({ "training_data": { "tag": tag(constant) }, "files": listed });
    files.retain(|(name, _)| *name != "version.json");
    files.push(("version.json", provenance.to_string().into_bytes()));
    files
}

fn tag(constant: f32) -> String {
    format!("adds-{constant}")
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The directory. Removed when dropped.
pub(crate) struct ModelsDirectory(TempDir);

impl ModelsDirectory {
    /// Creates it with these versions, such as `m/1`, and their constants.
    pub(crate) fn new(versions: &[(&str, f32)]) -> Self {
        let directory = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir(directory.at("")).expect("a directory");
        directory.name_administrator("ops");
        for (version, constant) in versions {
            directory.put(version, *constant);
        }
        directory
    }

    /// A path in the directory of models.
    pub(crate) fn at(&self, below: &str) -> PathBuf {
        self.0.path().join("models").join(below)
    }

    /// A path beside the directory of models.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The tokens file of the admin listener.
    pub(crate) fn administrators(&self) -> PathBuf {
        self.beside("admins.toml")
    }

    /// Sets the name of the only administrator.
    pub(crate) fn name_administrator(&self, name: &str) {
        write_tokens(&self.administrators(), &[Caller { name, token: TOKEN, more: "" }]);
    }

    /// Writes the files of a version that adds this constant.
    pub(crate) fn put(&self, version: &str, constant: f32) {
        self.write(version, &files(constant));
    }

    /// Writes files of a version, each in place.
    pub(crate) fn write(&self, version: &str, files: &[(&str, Vec<u8>)]) {
        fs::create_dir_all(self.at(version)).expect("a directory");
        for (name, content) in files {
            fs::write(self.at(version).join(name), content).expect("written");
        }
    }

    /// Removes a version or a model.
    pub(crate) fn remove(&self, below: &str) {
        fs::remove_dir_all(self.at(below)).expect("removed");
    }

    /// Starts a server with an admin listener over the directory.
    pub(crate) fn serve(&self, change: impl FnOnce(&mut Config)) -> Server {
        Server::start(|config| {
            config.repository.models = self.at("");
            config.repository.default_model = String::new();
            config.admin.tokens_file = self.administrators();
            change(config);
        })
    }
}

/// Asks the admin listener.
pub(crate) fn admin(server: &Server, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {TOKEN}");
    send_to(server.admin_address(), (method, path), &[("authorization", &bearer)], body.to_string().as_bytes())
}

/// Makes a move.
pub(crate) fn make(server: &Server, model: impl Display, name: &str, body: &Value) -> Reply {
    admin(server, "POST", &format!("/admin/models/{model}/{name}"), body)
}

/// The rollout of a model.
pub(crate) fn rollout(server: &Server, model: &str) -> Value {
    admin(server, "GET", &format!("/admin/models/{model}"), &json!({})).json()
}

/// The state of a version such as `m/1`, and its reasons as the admin listener tells them; `absent` if it is not known.
pub(crate) fn state(server: &Server, version: &str) -> (String, String) {
    let (model, version) = version.split_once('/').expect("a model and a version");
    let found = rollout(server, model);
    let entry = found["versions"].as_array().into_iter().flatten().find(|entry| entry["version"] == version);
    let reasons = |entry: &Value| entry["reasons"].as_array().into_iter().flatten().map(Value::to_string).collect();
    entry.map_or_else(
        || ("absent".to_owned(), String::new()),
        |entry| (entry["state"].as_str().unwrap_or_default().to_owned(), reasons(entry)),
    )
}

/// The version that answered and the constant that it added. Panics if the files behind the answer are a mixture.
pub(crate) fn read_answer(reply: &Reply) -> (String, f32) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    #[expect(clippy::cast_possible_truncation, reason = "the constants are small integers")]
    let constant = answer["prediction"].as_f64().expect("a number") as f32 - 1.0;
    assert_eq!(answer["training_data"], tag(constant), "a mixture: {answer}");
    (answer["model_version"].as_str().unwrap_or_default().to_owned(), constant)
}

/// Asks a model or one of its versions, as in `m` or `m/versions/1`.
pub(crate) fn predict(server: &Server, target: &str) -> (String, f32) {
    read_answer(&server.post(&format!("/models/{target}/predict"), BODY))
}
