//! What the handlers know of the request they handle.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::{super::transport::Connection, problem};
use crate::{
    security::Principal,
    serving::{RequestRecord, ServeError},
};

/// One request, from the moment its head is read until its response is handed over.
pub(super) struct RequestContext {
    pub(super) record: RequestRecord,
    pub(super) connection: Arc<Connection>,
    visibility: OnceLock<ModelVisibility>,
}

impl RequestContext {
    pub(super) fn new(record: RequestRecord, connection: Arc<Connection>) -> Self {
        Self { record, connection, visibility: OnceLock::new() }
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.record.meta.request_id
    }

    /// Notes what the access check found. Only the first call counts.
    pub(super) fn set_visibility(&self, visibility: ModelVisibility) {
        if let ModelVisibility::Of(caller) = &visibility {
            self.record.set_caller(Arc::clone(&caller.name));
        }
        let _ = self.visibility.set(visibility);
    }

    /// Which models the sender may know of; none before access was checked.
    pub(super) fn visibility(&self) -> &ModelVisibility {
        self.visibility.get().unwrap_or(&ModelVisibility::Nothing)
    }

    /// The authenticated caller, if callers are known.
    pub(super) fn caller(&self) -> Option<&Principal> {
        match self.visibility() {
            ModelVisibility::Of(caller) => Some(caller),
            ModelVisibility::Everything | ModelVisibility::Nothing => None,
        }
    }

    /// Returns the response for a result; notes an error in the record.
    pub(super) fn respond(&self, result: Result<impl IntoResponse, ServeError>) -> Response {
        result.map_or_else(|error| self.refuse(&error), IntoResponse::into_response)
    }

    /// Returns the response for an error, and notes the error in the record.
    pub(super) fn refuse(&self, error: &ServeError) -> Response {
        self.record.failed(error);
        problem::response(error, self.request_id())
    }
}

/// Which models the sender of a request may know of.
pub(super) enum ModelVisibility {
    /// All of them: the server has no tokens, so everybody may ask.
    Everything,
    /// Those that the caller's token covers.
    Of(Principal),
    /// None: the sender is not authenticated.
    Nothing,
}

impl ModelVisibility {
    /// Whether the sender may know of this model.
    pub(super) fn covers(&self, model: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(caller) => caller.can_use(model),
            Self::Nothing => false,
        }
    }
}

/// Extracts the context that [`super::HttpService`] puts into every request.
pub(super) struct Context(pub(super) Arc<RequestContext>);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context: Option<&Arc<RequestContext>> = parts.extensions.get();
        Ok(Self(Arc::clone(context.expect("every request comes through HttpService, which inserts it"))))
    }
}
