//! docs/errors.md: every error code with its HTTP status.

use std::fmt::Write as _;

use super::error_codes::{error_codes, remedy, status};
use crate::domain::violation::ViolationCode;

/// The Markdown table of all error codes, for docs/errors.md.
pub fn error_reference() -> String {
    let mut text = String::from(
        "# Error codes\n\n\
         Generated from the program by `make docs`. Every error is returned as `application/problem+json` (RFC 9457)\n\
         with one of these codes. A running server lists them at `GET /problems`, and explains each at\n\
         `GET /problems/{code}`.\n\n\
         | status | code | meaning | remedy |\n|---|---|---|---|\n",
    );
    for code in error_codes() {
        let _ = writeln!(text, "| {} | `{}` | {} | {} |", status(code), code.as_str(), code.meaning(), remedy(code));
    }
    text.push_str("\nCodes of the violations in `errors`:\n\n| code | meaning |\n|---|---|\n");
    for code in ViolationCode::ALL {
        let _ = writeln!(text, "| `{}` | {} |", code.as_str(), code.meaning());
    }
    text
}
