//! The only place that turns what went wrong into a status and a body.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sensocto_node::model::{FieldError, RoomError};
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer of the API that is no success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorJson,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorJson {
    /// For programs: `invalid_parameter`, `unknown_parameter`, `not_found`, `unauthorized`, `method_not_allowed`,
    /// `foreign_origin`, `not_unreachable`, `stopping`, `misdirected`, `unknown`, `gone`, `busy`, `live_queries_off`, `mark_not_reached` or `internal`.
    code: &'static str,
    /// The parameter that is meant, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// For people.
    message: String,
    /// What would have been allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
}

/// Why a request got no answer of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// A parameter has a value that is not allowed.
    InvalidParameter { field: String, allowed: String },
    /// There is no such parameter here.
    UnknownParameter { field: String, allowed: String },
    /// There is nothing of this kind with this id.
    NotFound { what: &'static str },
    /// There is no such path.
    UnknownPath,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// Reading needs a user token here.
    Unauthorized,
    /// A page of another site may not do this.
    ForeignOrigin,
    /// Only an unreachable node can be forgotten.
    NotUnreachable,
    /// The node is stopping.
    Stopping,
    /// The name in `Host` is not one of this node's.
    Misdirected,
    /// It may be there, and who could know did not answer.
    Unknown { message: String },
    /// It was there, and is kept no longer.
    Gone { what: &'static str },
    /// There is no room for another one.
    Busy { what: &'static str },
    /// An operator turned live queries off.
    LiveQueriesOff,
    /// This node has not seen in time what the request asked for.
    MarkNotReached { message: String },
    /// An operation on a room was not done.
    Room(RoomError),
    /// A defect of this program.
    Internal,
}

/// Longest part of a request that is repeated in an answer, in characters.
const ECHO_CHARACTERS_MAX: usize = 64;

impl ApiError {
    /// A parameter has a value that is not allowed.
    pub(crate) fn invalid(field: &str, allowed: impl Into<String>) -> ApiError {
        ApiError::InvalidParameter { field: echo(field), allowed: allowed.into() }
    }

    /// There is no such parameter here; `allowed` are those that are.
    pub(crate) fn unknown_parameter(field: &str, allowed: &[&str]) -> ApiError {
        let allowed = if allowed.is_empty() { "no parameters".to_owned() } else { allowed.join(", ") };
        ApiError::UnknownParameter { field: echo(field), allowed }
    }

    fn status(&self) -> StatusCode {
        match self {
            ApiError::InvalidParameter { .. } | ApiError::UnknownParameter { .. } => StatusCode::BAD_REQUEST,
            ApiError::NotFound { .. } | ApiError::UnknownPath => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::Unauthorized => StatusCode::UNAUTHORIZED,
            ApiError::ForeignOrigin => StatusCode::FORBIDDEN,
            ApiError::NotUnreachable => StatusCode::CONFLICT,
            ApiError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            ApiError::Unknown { .. } | ApiError::Busy { .. } | ApiError::LiveQueriesOff => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ApiError::Gone { .. } => StatusCode::GONE,
            ApiError::MarkNotReached { .. } => StatusCode::GATEWAY_TIMEOUT,
            ApiError::Room(error) => room_status(*error),
            ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(self) -> ErrorBody {
        let plain = |code, message: String| ErrorJson { code, field: None, message, allowed: None };
        let error = match self {
            ApiError::InvalidParameter { field, allowed } => ErrorJson {
                code: "invalid_parameter",
                message: format!("{field} must be {allowed}"),
                field: Some(field),
                allowed: Some(allowed),
            },
            ApiError::UnknownParameter { field, allowed } => ErrorJson {
                code: "unknown_parameter",
                message: format!("there is no parameter {field} here, only {allowed}"),
                field: Some(field),
                allowed: Some(allowed),
            },
            ApiError::NotFound { what } => plain("not_found", format!("no node has a {what} with this id")),
            ApiError::UnknownPath => plain("not_found", "there is nothing at this path, see /api/docs".to_owned()),
            ApiError::MethodNotAllowed => plain("method_not_allowed", "this path takes other methods, see /api/docs".to_owned()),
            ApiError::Unauthorized => {
                plain("unauthorized", "this needs Authorization: Bearer and a token of `sensocto token create user`".to_owned())
            }
            ApiError::ForeignOrigin => plain("foreign_origin", "pages of other sites may not do this".to_owned()),
            ApiError::NotUnreachable => plain(
                "not_unreachable",
                "only a node that is unreachable can be forgotten, see /api/v1/cluster/health".to_owned(),
            ),
            ApiError::Stopping => plain("stopping", "this node is stopping: ask another one".to_owned()),
            ApiError::Misdirected => plain(
                "misdirected",
                "this node listens on loopback only and is not known by the name in Host: use 127.0.0.1, or allow the origin".to_owned(),
            ),
            ApiError::Unknown { message } => plain("unknown", message),
            ApiError::Gone { what } => plain("gone", format!("this {what} is kept no longer, or is another node's: start over")),
            ApiError::Busy { what } => plain("busy", format!("there is no room for another {what}: try again in a while")),
            ApiError::LiveQueriesOff => plain(
                "live_queries_off",
                "an operator turned live queries off: ask for the list again and again instead (polling), without /live in the path".to_owned(),
            ),
            ApiError::MarkNotReached { message } => plain("mark_not_reached", message),
            ApiError::Room(error) => plain(error.as_str(), error.to_string()),
            ApiError::Internal => plain("internal", "the node failed to answer this, its log says why".to_owned()),
        };
        ErrorBody { error }
    }

    /// As a line of text, for paths outside of the API.
    pub(crate) fn into_text(self) -> Response {
        let status = self.status();
        (status, format!("{}\n", self.body().error.message)).into_response()
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> ApiError {
        ApiError::invalid(error.field, error.allowed)
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> ApiError {
        ApiError::Room(error)
    }
}

fn room_status(error: RoomError) -> StatusCode {
    match error {
        RoomError::NotFound => StatusCode::NOT_FOUND,
        RoomError::Forbidden => StatusCode::FORBIDDEN,
        RoomError::JoinCodeTaken
        | RoomError::AlreadyMember
        | RoomError::AlreadyAdmin
        | RoomError::NotAMember
        | RoomError::OwnerCannotLeave
        | RoomError::CannotChangeOwner
        | RoomError::CannotKickOwner
        | RoomError::RoomFull
        | RoomError::TooManyRooms
        | RoomError::SensorNotInRoom => StatusCode::CONFLICT,
        RoomError::StorageFailing | RoomError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        RoomError::Unavailable => StatusCode::GATEWAY_TIMEOUT,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let challenge = self == ApiError::Unauthorized;
        let mut response = (self.status(), Json(self.body())).into_response();
        if challenge {
            let realm = HeaderValue::from_static("Bearer realm=\"sensocto\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// Part of a request as it may stand in an answer: short, and without characters that do something.
fn echo(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(ECHO_CHARACTERS_MAX).collect()
}
