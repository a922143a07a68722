//! Rules for texts that come from outside.

use crate::FieldError;

/// Longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;
/// Longest name that is shown to people, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 256;

/// What an id may be, in words.
pub const ID_ALLOWED: &str = "1 to 128 bytes, no control or text-direction characters";
/// What a name may be, in words.
pub const NAME_ALLOWED: &str = "at most 256 bytes, no control or text-direction characters";

/// Whether a character would let a text pass for another one on a screen, in a log or in a terminal: control characters,
/// line and paragraph separators, and the marks that change the direction of text.
#[must_use]
pub fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks an id: 1 to [`ID_BYTES_MAX`] bytes without forbidden characters.
///
/// # Errors
/// Names `field` when the text is not an id.
pub fn check_id(field: &'static str, text: &str) -> Result<(), FieldError> {
    let valid = !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(is_forbidden);
    if valid { Ok(()) } else { Err(FieldError { field, allowed: ID_ALLOWED }) }
}

/// Checks a name: at most [`NAME_BYTES_MAX`] bytes without forbidden characters; it may be empty.
///
/// # Errors
/// Names `field` when the text is not a name.
pub fn check_name(field: &'static str, text: &str) -> Result<(), FieldError> {
    let valid = text.len() <= NAME_BYTES_MAX && !text.chars().any(is_forbidden);
    if valid { Ok(()) } else { Err(FieldError { field, allowed: NAME_ALLOWED }) }
}
