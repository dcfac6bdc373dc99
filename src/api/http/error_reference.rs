//! docs/errors.md: every error code with its HTTP status.

use std::fmt::Write as _;

use super::problem::status;
use crate::domain::{error_code::ErrorCode, violation::ViolationCode};

/// The Markdown table of all error codes, for docs/errors.md.
pub fn error_reference() -> String {
    let mut text = String::from(
        "# Error codes\n\nGenerated from the program; `make docs` writes it anew. Every error is `application/problem+json` \
         (RFC 9457)\nwith one of these codes. A running server lists them at `GET /problems`, and explains each at\n\
         `GET /problems/{code}`.\n\n\
         | status | code | what it means | what to do |\n|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let _ = writeln!(text, "| {} | `{}` | {} | {} |", status(*code), code.as_str(), code.meaning(), code.remedy());
    }
    text.push_str(
        "\nCodes inside `errors`, one for each violation of the contract:\n\n| code | what it means |\n|---|---|\n",
    );
    for code in ViolationCode::ALL {
        let _ = writeln!(text, "| `{}` | {} |", code.as_str(), code.meaning());
    }
    text
}
