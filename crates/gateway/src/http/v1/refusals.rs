//! The answers of groups of routes that are no success, described once for each group.

use utoipa::IntoResponses;

use crate::error::ErrorBody;

/// Of a read.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers for the document")]
pub(super) enum ReadRefusals {
    /// A parameter is wrong
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A user token is needed
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The node is stopping
    #[response(status = 503)]
    Stopping(ErrorBody),
    /// What the request asked for was not seen in time
    #[response(status = 504)]
    NotReached(ErrorBody),
}

/// Of a live query.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers for the document")]
pub(super) enum LiveRefusals {
    /// A parameter is wrong
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A user token is needed
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The node is stopping, live queries are turned off, or as many windows are open as may be
    #[response(status = 503)]
    Busy(ErrorBody),
    /// What the request asked for was not seen in time
    #[response(status = 504)]
    NotReached(ErrorBody),
}

/// Of a switch of an operator.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers for the document")]
pub(super) enum SwitchRefusals {
    /// A parameter is wrong
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A user token is needed
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// A page of another site may not do this
    #[response(status = 403)]
    Foreign(ErrorBody),
    /// The node is stopping
    #[response(status = 503)]
    Stopping(ErrorBody),
}

/// Of reading one room.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers for the document")]
pub(super) enum RoomReadRefusals {
    /// A parameter is wrong
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A user token is needed
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// There is none, or whoever asks must not know of it
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// Of an operation on a room.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers for the document")]
pub(super) enum RoomRefusals {
    /// A field is wrong
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A user token is needed
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// Whoever asks has no right to, or a page of another site may not do this
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// There is none, or whoever asks must not know of it
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// It cannot be done: the code says why
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// No disk takes it, or the node is stopping
    #[response(status = 503)]
    StorageFailing(ErrorBody),
    /// No node answered in time; it may have been done
    #[response(status = 504)]
    Unavailable(ErrorBody),
}
