//! What a connector is told about how fast anybody wants its data.

use sensocto_channels::Json;
use serde::Serialize;

/// The event that carries it.
pub(super) const EVENT: &str = "backpressure_config";

/// Attention is not tracked: every sensor is treated as if somebody had it in view.
const LEVEL: &str = "medium";
const WINDOW_MS: u32 = 500;
const SIZE: u32 = 5;

#[derive(Serialize)]
struct Config {
    attention_level: &'static str,
    // Some clients read it as a number and lose the whole message over the word; they are the ones that write no `vsn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_load: Option<&'static str>,
    memory_protection_active: bool,
    paused: bool,
    recommended_batch_window: u32,
    recommended_batch_size: u32,
    load_multiplier: f64,
    timestamp: u64,
}

/// The configuration for a connection that did or did not write a `vsn` of its own.
pub(super) fn config(explicit_vsn: bool, wall_ms: u64) -> Json {
    Json::of(&Config {
        attention_level: LEVEL,
        system_load: explicit_vsn.then_some("normal"),
        memory_protection_active: false,
        paused: false,
        recommended_batch_window: WINDOW_MS,
        recommended_batch_size: SIZE,
        load_multiplier: 1.0,
        timestamp: wall_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_named_only_to_those_who_wrote_a_version() {
        assert!(config(true, 1).as_str().contains(r#""system_load":"normal""#));
        assert!(!config(false, 1).as_str().contains("system_load"));
    }

    #[test]
    fn counts_are_whole_numbers() {
        assert!(config(true, 1).as_str().contains(r#""recommended_batch_window":500,"recommended_batch_size":5,"#));
    }
}
