//! The plots of a report: well-formed for any report and names, within their sheet, and reproducible.

use candor::{
    authoring::plot::{coverage, reliability},
    domain::{
        calibration::{
            ClassificationOptions, ClassificationRows, MethodChoice, RegressionOptions, RegressionRows, RowGroups,
            ScaleSource, calibrate_classifier, calibrate_regressor,
        },
        json::JsonValue,
        uncertainty::{CalibrationDocument, CalibrationRule, Report, ScoreKind, SetMethod},
    },
};

use super::calibration;

fn uniform(row: usize, step: f64) -> f64 {
    ((row + 1) as f64 * step).fract()
}

fn made((rule, report): (CalibrationRule, Report), rows: usize) -> CalibrationDocument {
    let mut made = CalibrationDocument { report, ..calibration(rule) };
    (made.data.rows, made.data.file) = (rows, "holdout <&\"> .csv".into());
    made
}

fn groups(rows: usize, names: &[&str]) -> Option<RowGroups> {
    let value = |name: &&str| if name.is_empty() { JsonValue::Null } else { JsonValue::Text((*name).into()) };
    // The first group has half of the rows, the second half of the rest, and so on.
    let last = names.len().saturating_sub(1);
    let of_row = (0..rows).map(|row| ((row + 1).trailing_zeros() as usize).min(last)).collect();
    let (feature, values) = ("plan & \"<price>\"".into(), names.iter().map(value).collect());
    (!names.is_empty()).then_some(RowGroups { feature, values, of_row })
}

/// An overconfident classifier.
fn classified(rows: usize, names: &[&str], options: ClassificationOptions) -> CalibrationDocument {
    let truth: Vec<f64> = (0..rows).map(|row| 1.0 / (1.0 + (-6.0 * (uniform(row, 0.618_034) - 0.5)).exp())).collect();
    let model = |p: &f64| 1.0 / (1.0 + (-(2.2 * (p / (1.0 - p)).ln() + 0.4)).exp());
    let held_out = ClassificationRows {
        decision: candor::domain::contract::DecisionRule::Greatest,
        element: candor::domain::tensor::ElementType::F64,
        classes: vec!["stay".into(), "churn".into()],
        kind: ScoreKind::Probabilities,
        scores: truth.iter().map(model).flat_map(|p| [1.0 - p, p]).collect(),
        labels: truth.iter().enumerate().map(|(row, p)| usize::from(uniform(row, 0.414_214) < *p)).collect(),
        draws: (0..rows).map(|row| uniform(row, 0.732_051)).collect(),
        groups: groups(rows, names),
    };
    made(calibrate_classifier(&held_out, options).expect("a calibration"), rows)
}

fn regressed(rows: usize, names: &[&str]) -> CalibrationDocument {
    let values: Vec<f64> = (0..rows).map(|row| 150.0 + 80.0 * uniform(row, 0.618_034)).collect();
    let error = |row: usize| 90.0 * (uniform(row, 0.414_214) - 0.5) * if row.is_multiple_of(2) { 1.0 } else { 2.5 };
    let targets = values.iter().enumerate().map(|(row, value)| value + error(row)).collect();
    let held_out = RegressionRows { values, targets, spread: ScaleSource::None, groups: groups(rows, names) };
    made(calibrate_regressor(&held_out, RegressionOptions::default()).expect("a calibration"), rows)
}

/// What every plot must be: valid XML with a title and a description, and everything on the sheet.
fn proven(case: &str, plot: &str) {
    let document = roxmltree::Document::parse(plot).unwrap_or_else(|error| panic!("{case}: {error}\n{plot}"));
    let root = document.root_element();
    let said = |name: &str| root.children().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    assert!(said("title").is_some_and(|title| title.ends_with('?')), "{case}");
    assert!(said("desc").is_some_and(|text| text.contains("dashed line")), "{case}");
    let side = |name: &str| root.attribute(name).and_then(|side| side.parse::<f64>().ok()).expect("a size");
    let (width, height) = (side("width"), side("height"));
    for node in root.descendants().filter(roxmltree::Node::is_element) {
        for (name, limit) in [("x", width), ("cx", width), ("y", height), ("cy", height)] {
            if let Some(value) = node.attribute(name) {
                let value: f64 = value.parse().expect("a number");
                assert!((0.0..=limit).contains(&value), "{case}: {node:?}");
            }
        }
    }
    let values = root.descendants().flat_map(|node| node.attributes()).map(|attribute| attribute.value());
    for value in values.chain(root.descendants().filter_map(|node| node.text())) {
        let words = value.split(|letter: char| !letter.is_alphanumeric() && letter != '-');
        assert!(words.clone().all(|word| !["NaN", "inf", "-inf", "-0"].contains(&word)), "{case}: {value}");
    }
    assert!(!plot.contains("http://") || plot.matches("http").count() == 1, "{case}: no external references");
}

#[test]
fn every_report_has_plots() {
    let auto = ClassificationOptions::default();
    let uncalibrated = ClassificationOptions { method: MethodChoice::Uncalibrated, ..auto };
    let adaptive = ClassificationOptions { sets: Some(SetMethod::Aps), ..auto };
    let many: Vec<String> = (0..12).map(|group| format!("a rather long name of group {group}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let named = ["basic", "", "</text><script>", "plus\u{0}"];
    for (case, made) in [
        ("usual", classified(600, &[], auto)),
        ("adaptive", classified(600, &[], adaptive)),
        ("uncalibrated", classified(600, &[], uncalibrated)),
        ("no sets", classified(600, &[], ClassificationOptions { sets: None, ..auto })),
        ("few rows", classified(20, &[], auto)),
        ("fewest rows", classified(6, &[], uncalibrated)),
        ("groups", classified(600, &named, auto)),
        ("many groups", classified(6000, &many, auto)),
        ("intervals", regressed(200, &[])),
        ("fewest intervals", regressed(5, &[])),
        ("intervals by group", regressed(300, &named)),
    ] {
        let classifier = matches!(made.rule, CalibrationRule::Classification { .. });
        let diagram = reliability("churn/1 <&\">", &made);
        assert_eq!(diagram.is_some(), classifier, "{case}");
        let plot = coverage("churn/1 <&\">", &made, Some("mg/dl"));
        assert_eq!(plot.is_some(), case != "no sets", "{case}");
        assert_eq!(plot, coverage("churn/1 <&\">", &made, Some("mg/dl")), "{case}: reproducible");
        for plot in [diagram, plot].into_iter().flatten() {
            proven(case, &plot);
        }
    }
}

#[test]
fn a_plot_says_what_the_report_says() {
    let auto = ClassificationOptions::default();
    let made = classified(600, &["basic", "plus"], auto);
    let before = made.report.before.as_ref().expect("measured");
    let diagram = reliability("churn/1", &made).expect("a plot");
    assert!(diagram.contains(&format!("ECE {:.3}", before.ece)) && diagram.contains("calibrated: temperature"));
    assert_eq!(diagram.matches(r#"<circle class="before""#).count(), before.bins.len());
    assert!(diagram.contains(">by plan &amp; &quot;&lt;price&gt;&quot;<") && diagram.contains(">basic<"));
    assert!(diagram.contains(&format!("{} rows", made.report.groups[0].rows)), "the rows of the first group");

    let plot = coverage("churn/1", &made, None).expect("a plot");
    for level in made.report.levels {
        let says = format!("requested {}, observed {:.3}", level.coverage.as_f64(), level.empirical);
        assert!(plot.contains(&format!("<title>{says}</title>")), "{says}");
    }
    assert!(plot.contains("temperature+mondrian-lac") && plot.contains("mean number of classes in a set"));

    // Without fitted probabilities there is no second panel and no "before".
    let made = classified(600, &[], ClassificationOptions { method: MethodChoice::Uncalibrated, ..auto });
    let diagram = reliability("churn/1", &made).expect("a plot");
    assert!(!diagram.contains(r#"<circle class="after""#) && !diagram.contains(" before, "));

    // Five rows give no finite interval from 0.9 on: the dots are open, and the number of rows needed is printed.
    let plot = coverage("diabetes/1", &regressed(5, &[]), Some("mg/dl")).expect("a plot");
    assert!(plot.contains("9 at 0.9, 19 at 0.95, 39 at 0.975, 99 at 0.99") && plot.contains(">in mg/dl<"));
    assert!(plot.contains(r#"<circle class="open""#));

    let many: Vec<String> = (0..12).map(|group| format!("group {group}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let plot = reliability("churn/1", &classified(6000, &many, auto)).expect("a plot");
    assert!(plot.contains(">group 7<") && !plot.contains(">group 8<"), "the largest eight");
    assert!(plot.contains("4 more in calibration.json"));
}
