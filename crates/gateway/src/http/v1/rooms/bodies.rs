//! What bodies of requests about rooms may hold, for the document. [`super::patch`] reads them.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::v1::texts::{DescriptionText, JoinCodeText, RoomNameText};

/// What a new room says; what is absent is as the room's default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes a body for the document")]
pub(super) struct NewRoom {
    #[schema(value_type = Option<RoomNameText>, inline)]
    name: Option<String>,
    #[schema(value_type = Option<DescriptionText>, inline)]
    description: Option<String>,
    /// Whether everybody may see and join it.
    #[schema(required = false, default = true)]
    is_public: bool,
    #[schema(required = false, default = true)]
    calls_enabled: bool,
    #[schema(required = false, default = true)]
    media_playback_enabled: bool,
    #[schema(required = false, default = false)]
    object_3d_enabled: bool,
    #[schema(required = false, default = false)]
    whiteboard_enabled: bool,
    /// Whatever the application says: at most 4,096 bytes as JSON, and 16 levels.
    #[schema(value_type = Option<Object>)]
    configuration: Option<()>,
    /// The code that lets people in; otherwise one is drawn.
    #[schema(value_type = Option<JoinCodeText>, inline)]
    join_code: Option<String>,
}

/// What is to change; what is absent stays, and `description: null` takes it away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes a body for the document")]
pub(super) struct ChangedRoom {
    #[schema(value_type = Option<RoomNameText>, inline)]
    name: Option<String>,
    #[schema(value_type = Option<DescriptionText>, inline)]
    description: Option<String>,
    /// Whether everybody may see and join it.
    #[schema(required = false)]
    is_public: bool,
    #[schema(required = false)]
    calls_enabled: bool,
    #[schema(required = false)]
    media_playback_enabled: bool,
    #[schema(required = false)]
    object_3d_enabled: bool,
    #[schema(required = false)]
    whiteboard_enabled: bool,
    /// Whatever the application says: at most 4,096 bytes as JSON, and 16 levels.
    #[schema(value_type = Option<Object>)]
    configuration: Option<()>,
}

/// What lets somebody in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes a body for the document")]
pub(super) struct Entering {
    /// Needed for a private room.
    #[schema(value_type = Option<JoinCodeText>, inline)]
    join_code: Option<String>,
}
