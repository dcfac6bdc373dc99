//! The error codes of HTTP: those that only HTTP has, and how each code of the service is sent and resolved over HTTP.

use crate::domain::error_code::{ErrorCode, ProtocolCode};

/// Declares each code once: constant, status, text, title, meaning, remedy.
macro_rules! http_codes {
    ($($name:ident, $status:literal, $text:literal, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(super) const $name: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
                text: $text,
                title: $title,
                meaning: $meaning,
                remedy: $remedy,
                status: $status,
            });
        )*

        const OF_HTTP: &[ErrorCode] = &[$($name),*];
    };
}

http_codes! {
    INVALID_HEADER, 400, "invalid_header", "A header has an invalid value",
        "A header that the server uses could not be parsed; the detail names it.",
        "Correct the header, or omit it: each header has a default.";
    NOT_FOUND, 404, "not_found", "No route matches the path",
        "The server has no route for this path.",
        "GET / lists the routes.";
    METHOD_NOT_ALLOWED, 405, "method_not_allowed", "The path does not support this method",
        "The path exists, but does not support this method; the Allow header lists the methods that it supports.",
        "Use POST for predictions, and GET for everything else.";
    NOT_ACCEPTABLE, 406, "not_acceptable", "The response is not available in the requested format",
        "The Accept header excludes every media type that this route can return.",
        "Accept `application/json`, or omit the header.";
    MOVE_REFUSED, 409, "move_refused", "The rollout does not allow this move",
        "The version is not ready, serves already, or is worse than the gate of model.toml allows; the detail says which.",
        "Resolve what the detail names. `candor status` shows the versions and their roles.";
    MOVE_CONFLICT, 409, "move_conflict", "Another move was made at the same time",
        "Another server or another person moved first, and nothing was changed; the detail names that move.",
        "Look at the new state, and decide again.";
    MOVE_NOT_RECORDED, 409, "move_not_recorded", "The move cannot be recorded",
        "The state of the rollout cannot be written, so the move would be lost with the server. Nothing was changed.",
        "Set `repository.state_directory` to a directory that the server can write.";
    BODY_TIMEOUT, 408, "body_timeout", "The body did not arrive in time",
        "The body was announced, but did not arrive completely within `http.body_timeout_ms`.",
        "Send the whole body at once; check for a slow or broken connection.";
    BODY_TOO_LARGE, 413, "body_too_large", "The body is too large",
        "The body, after decompression, is larger than `http.max_body_bytes`.",
        "Send one instance per request. An operator can raise the limit.";
    UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "The content type of the body is not JSON",
        "The Content-Type is missing, or is not `application/json`.",
        "Send `Content-Type: application/json`.";
    UNSUPPORTED_ENCODING, 415, "unsupported_encoding", "The content encoding of the body is not supported",
        "The Content-Encoding is not identity, gzip or zstd, or the body does not match it.",
        "Send the body uncompressed, or compressed with gzip or zstd.";
}

/// Every code, by status.
pub fn error_codes() -> Vec<ErrorCode> {
    let mut codes: Vec<ErrorCode> = ErrorCode::SHARED.iter().chain(OF_HTTP).copied().collect();
    codes.sort_by_key(|code| status(*code));
    codes
}

/// Returns the HTTP status of an error code. The only place that maps codes to statuses.
pub fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::Protocol(code) => code.status,
        ErrorCode::MalformedJson | ErrorCode::DataContractViolation => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden => 403,
        ErrorCode::UnknownModel | ErrorCode::UnknownVersion => 404,
        ErrorCode::AnswerTooLarge => 422,
        ErrorCode::RateLimited => 429,
        ErrorCode::InferenceFailed
        | ErrorCode::NonFiniteOutput
        | ErrorCode::InvalidProbabilities
        | ErrorCode::Internal => 500,
        ErrorCode::Overloaded | ErrorCode::NotReady | ErrorCode::Draining => 503,
        ErrorCode::DeadlineExceeded => 504,
    }
}

/// Returns what a client over HTTP, or its operator, can do about an error code.
pub(super) fn remedy(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Protocol(code) => code.remedy,
        ErrorCode::MalformedJson => {
            "Send one JSON object in UTF-8. NaN, Infinity, lone surrogates and nesting deeper than 32 levels are not \
             accepted."
        }
        ErrorCode::DataContractViolation => {
            "Correct the members that `errors` names. The contract is at GET /models/{model}/contract."
        }
        ErrorCode::Unauthenticated => "Send `Authorization: Bearer <token>` with a token that the operator gave you.",
        ErrorCode::Forbidden => "Ask the operator for a token that grants access.",
        ErrorCode::UnknownModel => {
            "Use one of the names at GET /models, or set `repository.default_model` for /predict."
        }
        ErrorCode::UnknownVersion => "Use one of the versions at GET /models/{model}, or omit the version.",
        ErrorCode::AnswerTooLarge => {
            "Request less, if the instance determines the size of the answer. An operator can raise the limit."
        }
        ErrorCode::RateLimited => "Wait for the time given in Retry-After, and send requests more slowly.",
        ErrorCode::InferenceFailed | ErrorCode::NonFiniteOutput => {
            "Look the request id up in the log; tighten the contract so that such inputs are rejected."
        }
        ErrorCode::InvalidProbabilities => {
            "Look the request id up in the log. The operator can correct `x-output` in contract.json (`logits` for \
             logits, the task `tensors` for other scores), or export the model with probabilities."
        }
        ErrorCode::Internal => "Report the error with the request id.",
        ErrorCode::Overloaded => "Retry after the time given in Retry-After, with some jitter.",
        ErrorCode::NotReady => "Retry later; the operator can find the reason at GET /models/{model} and in the log.",
        ErrorCode::Draining => "Retry: another server, or this one after its restart, will answer.",
        ErrorCode::DeadlineExceeded => {
            "Allow more time with x-deadline-ms, up to the model's own limit, or retry when the load is lower."
        }
    }
}
