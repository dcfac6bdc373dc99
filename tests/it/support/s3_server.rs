//! An S3 server on a free port: moto, which `tests/requirements.txt` pins. The bucket `models` exists.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use candor::repository::{RemoteOptions, RemoteStore};
use object_store::{ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, path::Path as Key};
use serde_json::Value;

use crate::support::{external_tools::interpreter, server::block_on};

/// A running server. It is killed when dropped.
pub(crate) struct S3Server {
    child: Child,
    pub(crate) endpoint: String,
    /// Key id and secret of a user who may do everything.
    writer: [String; 2],
    /// Key id and secret of a user who may only read.
    reader: [String; 2],
    client: Box<dyn ObjectStore>,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let mut child = interpreter()
            .args(["-c", include_str!("s3_server.py")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON; `make test` installs moto");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let endpoint = format!("http://127.0.0.1:{}", said["port"]);
        let writer = [text(&said["writer"][0]), text(&said["writer"][1])];
        let reader = [text(&said["reader"][0]), text(&said["reader"][1])];
        // Fails if a test has done it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = AmazonS3Builder::new()
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_bucket_name("models")
            .with_access_key_id(&writer[0])
            .with_secret_access_key(&writer[1])
            .build()
            .expect("a client");
        Self { child, endpoint, writer, reader, client: Box::new(client) }
    }

    /// Stops the server; its port then refuses connections.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Options for the user who may do everything.
    pub(crate) fn options(&self, cache: &Path) -> RemoteOptions {
        self.options_of(&self.writer, cache)
    }

    /// Options for the user who may only read.
    pub(crate) fn reader_options(&self, cache: &Path) -> RemoteOptions {
        self.options_of(&self.reader, cache)
    }

    fn options_of(&self, keys: &[String; 2], cache: &Path) -> RemoteOptions {
        let environment = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", &keys[0]),
            ("AWS_SECRET_ACCESS_KEY", &keys[1]),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        RemoteOptions { environment, ..RemoteOptions::new(cache.to_path_buf()) }
    }

    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) {
        block_on(self.client.put(&Key::from(key), bytes.into())).expect("put");
    }

    pub(crate) fn delete(&self, key: &str) {
        block_on(self.client.delete(&Key::from(key))).expect("deleted");
    }

    /// Uploads a directory.
    pub(crate) fn upload(&self, directory: &Path, prefix: &str) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let key = format!("{prefix}/{}", path.file_name().expect("a name").to_string_lossy());
            if path.is_dir() {
                self.upload(&path, &key);
            } else {
                self.put(&key, std::fs::read(&path).expect("a file"));
            }
        }
    }
}

/// Opens a repository in the bucket.
pub(crate) fn open(prefix: &str, options: RemoteOptions) -> RemoteStore {
    RemoteStore::open(&format!("s3://models/{prefix}"), options).expect("a repository")
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}
