//! Who may send work and see what: none while draining, known callers only, each within its share and its models. What a
//! route asks for is declared in `routes`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{FromRequestParts as _, RawPathParams, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Extensions, HeaderMap, HeaderValue, header};

use super::{super::transport::Peer, AppState, SharedState, problem, routes::RouteAccess, service::RequestContext};
use crate::{
    domain::error_code::ErrorCode,
    lifecycle::Phase,
    repository::Catalog,
    security::{AuthError, MetricsAccess, Principal, RateDecision},
    serving::{PredictionEvent, RequestProgress, ServeError, authorize},
};

/// What is known of a caller once it was looked at.
#[derive(Default)]
pub(super) struct Access {
    /// The caller's name and rights, where callers are known.
    pub(super) caller: Option<Principal>,
    /// What is left of the caller's share, where there is a limit.
    pub(super) allowance: Option<RateDecision>,
}

/// Which models the sender of a request may know of.
pub(super) enum ModelVisibility {
    /// All: the server knows no callers, so everybody may ask.
    Everything,
    /// Those that the caller's token covers.
    Of(Principal),
    /// None: the sender is not known.
    Nothing,
}

impl ModelVisibility {
    /// Of the sender of a request that came through [`layer`].
    pub(super) fn of(services: &AppState, extensions: &Extensions) -> Self {
        match (&services.tokens, extensions.get::<Principal>()) {
            (None, _) => Self::Everything,
            (Some(_), Some(caller)) => Self::Of(caller.clone()),
            (Some(_), None) => Self::Nothing,
        }
    }

    /// Whether the sender may know of this model.
    pub(super) fn covers(&self, model: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(caller) => caller.can_use(model),
            Self::Nothing => false,
        }
    }
}

/// The catalog that [`layer`] read for a request.
pub(super) type CatalogSnapshot = Extension<Arc<Catalog>>;

/// Looks at the caller of a request. A refusal comes beside what is known, because it is told the allowance too.
pub(super) fn check_access(
    services: &SharedState,
    headers: &HeaderMap,
    peer: Peer,
) -> (Access, Result<(), ServeError>) {
    let mut guarded = Access::default();
    if services.shutdown.has_reached(Phase::Draining) {
        let failure = ServeError::new(ErrorCode::Draining, "the server is shutting down")
            .retry_after(std::time::Duration::from_secs(1));
        return (guarded, Err(failure));
    }
    match identify(services, headers) {
        Ok(caller) => guarded.caller = caller,
        Err(failure) => return (guarded, Err(failure)),
    }
    let Some(rate) = &services.rate else { return (guarded, Ok(())) };
    let allowance = match &guarded.caller {
        Some(caller) => rate.check(&caller.name),
        None => rate.check(&peer.0.to_string()),
    };
    guarded.allowance = Some(allowance);
    if allowance.allowed {
        return (guarded, Ok(()));
    }
    let detail = format!("at most {} requests a second", services.rate_limit_per_second);
    (guarded, Err(ServeError::new(ErrorCode::RateLimited, detail).retry_after(allowance.retry_after)))
}

/// The caller of a request; `None` where the server knows no callers.
fn identify(services: &AppState, headers: &HeaderMap) -> Result<Option<Principal>, ServeError> {
    let Some(tokens) = &services.tokens else { return Ok(None) };
    let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
    tokens.authenticate(given).map(Some).map_err(unauthenticated)
}

/// The same as a layer, for the routes that the router serves. It reads the catalog for them, and puts that snapshot into
/// the request's extensions: what was authorized is what is served.
pub(super) async fn access_middleware(
    State((services, access)): State<(SharedState, RouteAccess)>,
    request: Request,
    next: Next,
) -> Response {
    let accepted = RequestContext::of(request.extensions());
    let (mut parts, body) = request.into_parts();
    let peer = parts.extensions.get().copied().unwrap_or_default();
    let (Access { caller, allowance }, verdict) = match access {
        RouteAccess::Open => (Access::default(), Ok(())),
        // Who is not known is told less, and not refused.
        RouteAccess::Reduced => {
            let caller = identify(&services, &parts.headers).unwrap_or_default();
            (Access { caller, allowance: None }, Ok(()))
        }
        RouteAccess::Metrics => metrics(&services, &parts.headers),
        RouteAccess::Listed => {
            parts.extensions.insert(Arc::clone(&services.repository.catalog()));
            check_access(&services, &parts.headers, peer)
        }
        RouteAccess::Model => {
            let (guarded, verdict) = check_access(&services, &parts.headers, peer);
            // Names that cannot be decoded are those of no model: the handler says so.
            let names = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
            let model = names.iter().flatten().find(|(name, _)| *name == "model").map(|(_, model)| model);
            let catalog = Arc::clone(&services.repository.catalog());
            let verdict = verdict.and_then(|()| authorize(&catalog, model, guarded.caller.as_ref()));
            parts.extensions.insert(catalog);
            (guarded, verdict)
        }
    };
    let name = caller.as_ref().map(|caller| caller.name.clone());
    let mut response = match verdict {
        Ok(()) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(failure) => problem::problem_response(&failure, &accepted.request_id, RequestProgress::default()),
    };
    if let Some(name) = name {
        response.extensions_mut().get_or_insert_default::<PredictionEvent>().asked_by(name);
    }
    if let Some(allowance) = allowance {
        set_rate_limit_headers(allowance, response.headers_mut());
    }
    response
}

/// Looks at who wants to read the metrics.
fn metrics(services: &AppState, headers: &HeaderMap) -> (Access, Result<(), ServeError>) {
    if services.metrics_access == MetricsAccess::Open {
        return (Access::default(), Ok(()));
    }
    match identify(services, headers) {
        Ok(caller) => {
            let refused = caller.as_ref().filter(|caller| !caller.can_read_metrics()).map(|caller| {
                let detail = format!(
                    "the caller {} may not read the metrics, which name every model; `metrics = true` beside its token \
                     would allow it",
                    caller.name
                );
                ServeError::new(ErrorCode::Forbidden, detail)
            });
            (Access { caller, allowance: None }, refused.map_or(Ok(()), Err))
        }
        Err(failure) => (Access::default(), Err(failure)),
    }
}

fn unauthenticated(error: AuthError) -> ServeError {
    ServeError::new(ErrorCode::Unauthenticated, error.to_string())
}

/// The header fields of the IETF draft "RateLimit header fields for HTTP".
pub(super) fn set_rate_limit_headers(allowance: RateDecision, headers: &mut HeaderMap) {
    let seconds = allowance.retry_after.as_millis().div_ceil(1000);
    let remaining = format!("\"default\";r={};t={seconds}", allowance.remaining);
    let policy = format!("\"default\";q={};w=1", allowance.burst);
    for (name, text) in [("ratelimit", remaining), ("ratelimit-policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
