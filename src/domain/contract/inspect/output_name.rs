//! What the name of an output says about its role in a regression. Names that are not certain say nothing.

/// Whether an output is named as a standard deviation: `std`, `y_std`, `sigma`, `std_dev`, `predScale`, …
pub fn names_deviation(name: &str) -> bool {
    let words = words(name);
    let other = ["log", "ln", "raw", "inv", "inverse", "squared", "sq"];
    let last = words.last().map_or("", String::as_str);
    let pair = words.len().checked_sub(2).map(|start| words[start..].concat()).unwrap_or_default();
    let named = ["std", "stdev", "stddev", "sigma", "sd", "scale", "gpcovstd"].contains(&last)
        || ["stddev", "stdev", "standarddeviation"].contains(&pair.as_str());
    named && !names_variance(name) && !words.iter().any(|word| other.contains(&word.as_str()))
}

/// Whether an output is named as a variance, the square of a standard deviation.
pub fn names_variance(name: &str) -> bool {
    let variances = ["var", "variance", "cov", "covariance", "sigma2", "std2"];
    words(name).iter().any(|word| variances.contains(&word.as_str()))
}

/// Splits a name into lowercase words; omits numbers and `output` at its end.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let ends = !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase());
        if ends && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(letter.to_lowercase()));
        }
        before = letter;
    }
    let omitted = |word: &String| {
        word.is_empty() || word == "output" || word == "out" || word.bytes().all(|byte| byte.is_ascii_digit())
    };
    while words.last().is_some_and(omitted) {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certain_names_are_standard_deviations() {
        let deviations = [
            "std",
            "sigma",
            "stddev",
            "std_dev",
            "scale",
            "y_std",
            "GPcovstd",
            "yStd",
            "pred.sigma",
            "Sigma:0",
            "standard_deviation",
            "std_output",
            "y_sd",
        ];
        for name in deviations {
            assert!(names_deviation(name) && !names_variance(name), "{name}");
        }
        for name in ["value", "log_std", "log_sigma", "raw_scale", "inv_scale", "other", "stdlib", "scaled", "", "7"] {
            assert!(!names_deviation(name) && !names_variance(name), "{name}");
        }
        for name in ["var", "variance", "y_var", "sigma2", "cov_std", "predVariance", "covariance"] {
            assert!(names_variance(name) && !names_deviation(name), "{name}");
        }
    }
}
