//! Every move and every refusal as a table, and what holds after any sequence of moves.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> VersionName {
    VersionName::new(text).expect("a name")
}

fn names(text: &str) -> Vec<VersionName> {
    text.split_whitespace().map(name).collect()
}

fn promote(version: &str) -> Move {
    Move::Promote { version: name(version) }
}

fn canary(version: &str, percent: f64) -> Move {
    Move::Canary { version: name(version), percent }
}

fn shadow(version: &str, percent: f64) -> Move {
    Move::Shadow { version: name(version), percent }
}

fn rollback(from: Option<&str>) -> Move {
    Move::Rollback { from: from.map(name) }
}

fn load(version: &str) -> Move {
    Move::Load { version: name(version) }
}

fn unload(version: &str) -> Move {
    Move::Unload { version: name(version) }
}

fn origin() -> MoveOrigin {
    MoveOrigin { at: "2026-01-01T00:00:00.000Z".to_owned(), by: "ops".to_owned(), why: "because".to_owned() }
}

/// Versions 1 to 4 are ready, 5 is being loaded, 6 is not selected, and there is no other.
fn standing(version: &VersionName) -> VersionStanding {
    match version.as_str() {
        "1" | "2" | "3" | "4" => VersionStanding::Ready,
        "5" => VersionStanding::NotReady("it is loading".to_owned()),
        "6" => VersionStanding::NotLoaded,
        _ => VersionStanding::Unknown(vec!["1".to_owned(), "2".to_owned()]),
    }
}

fn apply(rollout: &Rollout, stable: Option<&str>, made: &Move) -> Result<Option<Rollout>, MoveError> {
    let initial = stable.map(name);
    let stable = rollout.stable.as_ref().or(initial.as_ref());
    MoveContext { rollout, stable, standing: &standing }.apply(made, origin())
}

/// A state in words: `stable 2, canary 3 5 %, shadow 4 50 %, earlier 1, loaded 6, unloaded 4`.
fn in_words(rollout: &Rollout) -> String {
    let list = |label: &str, names: &[VersionName]| {
        let names: Vec<&str> = names.iter().map(VersionName::as_str).collect();
        if names.is_empty() { String::new() } else { format!("{label} {}", names.join(" ")) }
    };
    let parts = [
        rollout.stable.as_ref().map(|stable| format!("stable {stable}")).unwrap_or_default(),
        rollout.canary.as_ref().map(|role| format!("canary {} {} %", role.version, role.percent)).unwrap_or_default(),
        rollout.shadow.as_ref().map(|role| format!("shadow {} {} %", role.version, role.percent)).unwrap_or_default(),
        list("earlier", &rollout.earlier),
        list("loaded", &rollout.loaded),
        list("unloaded", &rollout.unloaded),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The state after these moves; version 1 is stable at first, without a state that says so.
fn after(moves: &[Move]) -> Rollout {
    moves.iter().fold(Rollout::default(), |rollout, made| {
        apply(&rollout, Some("1"), made).expect("it is made").expect("it changes something")
    })
}

#[test]
fn each_move_changes_what_it_says() {
    let cases: [(&[Move], &str); 20] = [
        (&[promote("1")], "stable 1"),
        (&[promote("2")], "stable 2, earlier 1"),
        (&[promote("2"), promote("3")], "stable 3, earlier 2 1"),
        (&[promote("2"), promote("1")], "stable 1, earlier 2"),
        (&[canary("2", 5.0)], "stable 1, canary 2 5 %"),
        (&[canary("2", 5.0), canary("2", 25.0)], "stable 1, canary 2 25 %"),
        (&[canary("2", 5.0), canary("3", 5.0)], "stable 1, canary 3 5 %"),
        (&[canary("2", 5.0), Move::EndCanary], "stable 1"),
        (&[canary("2", 5.0), promote("2")], "stable 2, earlier 1"),
        (&[canary("2", 5.0), promote("3")], "stable 3, earlier 1"),
        (&[canary("2", 5.0), rollback(None)], "stable 1"),
        (&[canary("2", 5.0), rollback(Some("2"))], "stable 1"),
        (&[shadow("2", 50.0)], "stable 1, shadow 2 50 %"),
        (&[shadow("2", 50.0), Move::EndShadow], "stable 1"),
        (&[shadow("2", 50.0), promote("2")], "stable 2, earlier 1"),
        (&[shadow("2", 50.0), canary("2", 5.0)], "stable 1, canary 2 5 %, shadow 2 50 %"),
        (&[promote("2"), canary("3", 5.0), rollback(Some("2"))], "stable 1"),
        (&[promote("2"), shadow("1", 9.0), rollback(None)], "stable 1"),
        (&[unload("2"), load("6")], "loaded 6, unloaded 2"),
        (&[unload("2"), load("2")], "loaded 2"),
    ];
    for (moves, expected) in cases {
        let found = after(moves);
        assert_eq!(in_words(&found), expected, "{moves:?}");
        assert_eq!(found.generation, moves.len() as u64, "{moves:?}");
        let recorded: Vec<&str> = found.history.iter().rev().map(|record| record.name.as_str()).collect();
        assert_eq!(recorded, moves.iter().map(Move::name).collect::<Vec<_>>());
        assert!(found.history.iter().all(|record| (record.by.as_str(), record.why.as_str()) == ("ops", "because")));
    }
}

#[test]
fn the_history_says_what_was_stable_before() {
    let record = |moves: &[Move]| after(moves).history.remove(0);
    for (moves, version, before, percent) in [
        (&[promote("1")][..], Some("1"), None, None),
        (&[promote("2")], Some("2"), Some("1"), None),
        (&[canary("2", 5.0)], Some("2"), None, Some(5.0)),
        (&[canary("2", 5.0), Move::EndCanary], Some("2"), None, None),
        (&[canary("2", 5.0), rollback(None)], Some("1"), Some("2"), None),
        (&[promote("2"), rollback(None)], Some("1"), Some("2"), None),
        (&[shadow("2", 50.0)], Some("2"), None, Some(50.0)),
        (&[unload("2")], Some("2"), None, None),
    ] {
        let found = record(moves);
        assert_eq!((found.version, found.before), (version.map(name), before.map(name)), "{moves:?}");
        assert_eq!(found.percent, percent, "{moves:?}");
    }
}

#[test]
fn each_refusal_names_the_cause() {
    let serves = after(&[promote("2"), canary("3", 5.0), shadow("4", 5.0)]);
    let (none, gone) = (Rollout::default(), Rollout { earlier: names("5"), ..after(&[promote("2")]) });
    let cases: [(&Rollout, Option<&str>, Move, &str); 22] = [
        (&none, Some("1"), promote("9"), "there is no version 9; there are: 1, 2"),
        (&none, Some("1"), promote("5"), "version 5 is not ready: it is loading"),
        (&none, Some("1"), promote("6"), "version 6 is not loaded; load it first"),
        (&none, Some("1"), canary("9", 5.0), "there is no version 9; there are: 1, 2"),
        (&none, Some("1"), canary("5", 5.0), "version 5 is not ready: it is loading"),
        (&none, Some("1"), canary("1", 5.0), "version 1 is stable already: it serves every caller"),
        (&none, Some("1"), canary("2", 0.0), "percent must be above 0 and at most 100; found 0"),
        (&none, Some("1"), canary("2", -1.0), "percent must be above 0 and at most 100; found -1"),
        (&none, Some("1"), canary("2", 100.5), "percent must be above 0 and at most 100; found 100.5"),
        (&none, Some("1"), canary("2", f64::NAN), "percent must be above 0 and at most 100; found NaN"),
        (&none, Some("1"), shadow("1", 5.0), "version 1 is stable already: it serves every caller"),
        (&none, Some("1"), shadow("2", f64::INFINITY), "percent must be above 0 and at most 100; found inf"),
        (&none, None, canary("2", 5.0), "there is no stable version that a canary or a shadow could be compared with"),
        (&none, None, rollback(None), "there is no earlier version to roll back to; promote one by its name"),
        (&none, Some("1"), rollback(Some("2")), "version 2 is neither stable nor canary any more"),
        (&serves, None, rollback(Some("1")), "version 1 is neither stable nor canary any more"),
        (&gone, None, rollback(None), "version 5 is not ready: it is loading"),
        (&none, Some("1"), load("9"), "there is no version 9; there are: 1, 2"),
        (&none, Some("1"), unload("1"), "version 1 is stable and cannot be unloaded; end that first"),
        (&serves, None, unload("2"), "version 2 is stable and cannot be unloaded; end that first"),
        (&serves, None, unload("3"), "version 3 is canary and cannot be unloaded; end that first"),
        (&serves, None, unload("4"), "version 4 is shadow and cannot be unloaded; end that first"),
    ];
    for (rollout, stable, made, expected) in cases {
        let error = apply(rollout, stable, &made).expect_err("refused").to_string();
        assert!(error.starts_with(expected), "{made:?}: {error}");
    }
}

/// A move, or a restart of the server.
fn any_step() -> impl Strategy<Value = Option<Move>> {
    let version = || (1..=7_u8).prop_map(|version: u8| name(&version.to_string()));
    let percent = || prop_oneof![Just(0.0), Just(5.0), Just(100.0)];
    let made = prop_oneof![
        3 => version().prop_map(|version| Move::Promote { version }),
        3 => (version(), percent()).prop_map(|(version, percent)| Move::Canary { version, percent }),
        2 => (version(), percent()).prop_map(|(version, percent)| Move::Shadow { version, percent }),
        2 => proptest::option::of(version()).prop_map(|from| Move::Rollback { from }),
        1 => version().prop_map(|version| Move::Load { version }),
        1 => version().prop_map(|version| Move::Unload { version }),
        1 => Just(Move::EndCanary),
        1 => Just(Move::EndShadow),
    ];
    prop_oneof![9 => made.prop_map(Some), 1 => Just(None)]
}

/// What holds of every state.
fn assert_sound(rollout: &Rollout, stable: Option<&VersionName>) {
    for role in [rollout.alias("canary", stable), rollout.alias("shadow", stable)].into_iter().flatten() {
        assert_ne!(Some(role), stable, "{}", in_words(rollout));
        // What it is compared with does not change by a restart.
        assert!(rollout.stable.is_some());
    }
    let Rollout { earlier, loaded, unloaded, history, .. } = rollout;
    assert!(!earlier.iter().any(|version| Some(version) == stable), "{}", in_words(rollout));
    for list in [earlier, loaded, unloaded] {
        assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len(), "{}", in_words(rollout));
    }
    assert!(!loaded.iter().any(|version| unloaded.contains(version)), "{}", in_words(rollout));
    assert!(history.len() <= MAX_HISTORY && earlier.len() <= MAX_EARLIER);
}

proptest! {
    #[test]
    fn any_sequence_of_moves_is_sound(steps in proptest::collection::vec(any_step(), 0..150)) {
        let (mut rollout, mut initial) = (Rollout::default(), name("1"));
        for step in steps {
            let Some(made) = step else {
                // The newest version that is ready.
                initial = name("4");
                continue;
            };
            let stable = rollout.stable.clone().unwrap_or_else(|| initial.clone());
            let again = |rollout: &Rollout| apply(rollout, Some(initial.as_str()), &made);
            let Ok(Some(next)) = again(&rollout) else { continue };
            prop_assert_eq!(next.generation, rollout.generation + 1);
            prop_assert_eq!(&next.history[0].name, made.name());
            assert_sound(&next, Some(next.stable.as_ref().unwrap_or(&initial)));
            match &made {
                Move::Rollback { from: Some(from) } => {
                    prop_assert_eq!(again(&next), Err(MoveError::MovedOn { from: from.clone() }));
                }
                Move::Rollback { from: None } => {}
                _ => prop_assert_eq!(again(&next), Ok(None), "{:?} is idempotent", &made),
            }
            if let Move::Promote { version } = &made && *version != stable {
                let undo = Move::Rollback { from: Some(version.clone()) };
                let undone = apply(&next, None, &undo);
                prop_assert_eq!(undone.map(|undone| undone.and_then(|undone| undone.stable)), Ok(Some(stable)));
            }
            rollout = next;
        }
    }
}
