//! Memory that is given back when versions are unloaded.

use std::fs;

use serde_json::json;

use crate::support::{
    http_client::Reply,
    models_directory::{ModelsDirectory, read_answer},
    onnx::{adder_contract, large_adder},
    process::Process,
    wait::wait_until,
};

/// The resident memory of a process, in bytes.
fn resident(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the field");
    line.trim_matches(|letter: char| !letter.is_ascii_digit()).parse::<u64>().expect("kilobytes") << 10
}

fn process_state(address: std::net::SocketAddr) -> String {
    let reply = crate::lifecycle::servers::send(address, "GET /models/m HTTP/1.1\r\n", "").expect("an answer");
    reply.json()["versions"][1].to_string()
}

/// 5 MB and 60 times, or with `CANDOR_LONG=1` 50 MB and 200 times.
#[test]
fn memory_does_not_grow_by_loading_and_unloading() {
    let long = std::env::var_os("CANDOR_LONG").is_some_and(|value| value == "1");
    let (size, rounds) = if long { (50 << 20, 200) } else { (5 << 20, 60) };
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    fs::create_dir(models.at("m/2")).expect("a directory");
    fs::write(models.at("m/2/model.onnx"), large_adder(20.0, size)).expect("written");
    fs::write(models.at("m/2/contract.json"), adder_contract().to_string()).expect("written");
    fs::write(models.at("m/2/version.json"), r#"{"training_data":{"tag":"adds-20"}}"#).expect("written");
    fs::write(models.at("m/model.toml"), "versions = [\"1\"]\n").expect("written");
    let (process, admin) = crate::lifecycle::servers::process(&models, &["repository.poll_interval_ms=0"]);
    let make = |name: &str| {
        let reply = crate::lifecycle::servers::request(admin, name, &json!({ "version": "2" })).expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    let predict = || crate::lifecycle::servers::post(process.address, "/models/m/versions/2/predict");
    let mut settled = u64::MAX;
    let mut figures = Vec::new();
    for round in 1..=rounds {
        make("load");
        let mut reply: Option<Reply> = None;
        wait_until("it is loaded or has failed", || {
            reply = predict();
            let state = process_state(process.address);
            reply.as_ref().is_some_and(|reply| reply.status == 200) || state.contains("unavailable")
        });
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 200, "{}", process_state(process.address));
        assert_eq!(read_answer(&reply).1.to_bits(), 20.0_f32.to_bits());
        make("unload");
        wait_until("it is unloaded", || predict().is_some_and(|reply| reply.status == 404));
        let now = resident(&process);
        if round <= 5 {
            // The allocator gives pages back at a later allocation, so that a single figure may include one more model.
            settled = settled.min(now);
        }
        if round % (rounds / 20).max(1) == 0 || round <= 5 {
            figures.push(format!("{round}: {}", now >> 20));
        }
    }
    let limit = settled + settled / 10 + (8 << 20);
    let mut now = u64::MAX;
    for _ in 0..2000 {
        // Requests allocate, and so have freed pages given back.
        crate::lifecycle::servers::post(process.address, "/models/m/predict");
        now = now.min(resident(&process));
        if now <= limit {
            break;
        }
    }
    if long {
        println!("resident memory after each of these rounds, in MB: {}", figures.join(", "));
    }
    assert!(now <= limit, "{} MB, then {} MB: {figures:?}", settled >> 20, now >> 20);
}
