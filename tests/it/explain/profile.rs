//! Loading of profile.json: an invalid file refuses its version and names the place.

use serde_json::{Value, json};

use super::{explainable, profile};
use crate::support::server::Server;

#[test]
fn a_profile_that_cannot_be_used_refuses_the_version() {
    let good = profile(&json!({ "image": vec![vec![0; 8]; 8] }));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut profile = good.clone();
        change(&mut profile);
        profile
    };
    let cases = [
        (json!([]), "must be a JSON object"),
        (with(&|profile| profile["rows"] = json!("many")), "invalid type: string \"many\", expected u64"),
        (
            with(&|profile| profile["features"]["image"]["count"] = json!(2)),
            "feature \"image\": has 2 values, but the table has 1 rows",
        ),
        (with(&|profile| profile["background"] = json!([[]])), "background row 1: holds 0 values for 1 features"),
    ];
    for (profile, detail) in cases {
        let root = explainable("digits/1", Some(&profile), "");
        let server = Server::over(root.path());
        let about = server.get("/models/digits/versions/1").json();
        let reason = about["reasons"][0].as_str().unwrap_or_else(|| panic!("{about}")).to_owned();
        assert!(reason.contains("profile.json: ") && reason.contains(detail), "{reason}, not {detail}");
    }
}
