//! Places between the pages of a list, as texts that only this program reads.
//!
//! A cursor is bound to the query that it came from: used with another one it would skip lines without a word.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sensocto_node::{Handle, Order, Position, RoomQuery, SearchText, SensorQuery, UserId};
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;

/// Longest cursor in bytes: a name and an id in base 64 fit.
const CURSOR_BYTES_MAX: usize = 2_048;
const QUERY_BYTES: usize = 8;
const ALLOWED: &str = "the `next` of a page of the same query";

/// What a cursor is bound to.
pub(crate) struct Bound([u8; QUERY_BYTES]);

impl Bound {
    /// A list of `kind` under conditions, each a text.
    pub(crate) fn new(kind: &str, conditions: &[Option<&str>]) -> Bound {
        let mut hash = Sha256::new();
        hash.update(kind);
        for condition in conditions {
            // The length keeps one long condition apart from two short ones.
            hash.update(condition.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(condition.unwrap_or_default());
        }
        let mut bound = [0; QUERY_BYTES];
        bound.copy_from_slice(&hash.finalize()[..QUERY_BYTES]);
        Bound(bound)
    }

    /// A list of sensors.
    pub(crate) fn sensors(handle: &Handle, query: &SensorQuery) -> Bound {
        let filter = &query.filter;
        // Numbers of changes are those of one start of one node.
        let me = (query.order == Order::Changed).then(|| handle.me().to_string());
        Bound::new(
            "sensors",
            &[
                filter.sensor_type.as_deref(),
                filter.connector.as_deref(),
                filter.node.as_deref(),
                filter.room.as_deref(),
                filter.attribute.as_deref(),
                filter.freshness.map(|freshness| freshness.as_str()),
                filter.name_prefix.as_deref(),
                filter.text.as_ref().map(SearchText::to_text).as_deref(),
                Some(query.order.as_str()),
                me.as_deref(),
            ],
        )
    }

    /// A list of rooms.
    pub(crate) fn rooms(query: &RoomQuery) -> Bound {
        let visibility = query.public.map(|public| if public { "public" } else { "private" });
        Bound::new(
            "rooms",
            &[
                query.owner.as_ref().map(UserId::as_str),
                query.mine.then_some("me"),
                visibility,
                query.name_prefix.as_deref(),
                Some(query.order.as_str()),
            ],
        )
    }

    /// The text of a place.
    pub(crate) fn cursor(&self, position: &Position) -> String {
        let mut bytes = self.0.to_vec();
        match position {
            Position::Id(id) => {
                bytes.push(b'i');
                bytes.extend(id.bytes());
            }
            Position::Name { name, id } => {
                bytes.push(b'n');
                bytes.extend((name.len() as u32).to_be_bytes());
                bytes.extend(name.bytes().chain(id.bytes()));
            }
            Position::Changed(number) => {
                bytes.push(b'c');
                bytes.extend(number.to_be_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of a text that came from the same query.
    pub(crate) fn position(&self, cursor: &str) -> Result<Position, ApiError> {
        self.read(cursor).ok_or_else(|| ApiError::invalid("after", ALLOWED))
    }

    /// The id of a text that came from the same list in the order of ids.
    pub(crate) fn id(&self, cursor: Option<&str>) -> Result<Option<String>, ApiError> {
        cursor
            .map(|cursor| match self.position(cursor)? {
                Position::Id(id) => Ok(id),
                Position::Name { .. } | Position::Changed(_) => Err(ApiError::invalid("after", ALLOWED)),
            })
            .transpose()
    }

    /// The place of a text, where it came from the same query.
    pub(crate) fn read(&self, cursor: &str) -> Option<Position> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (bound, rest) = bytes.split_at_checked(QUERY_BYTES)?;
        let (kind, rest) = rest.split_first().filter(|_| bound == self.0)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        match kind {
            b'i' => Some(Position::Id(text(rest)?)),
            b'n' => {
                let (length, rest) = rest.split_at_checked(4)?;
                let length = u32::from_be_bytes(length.try_into().ok()?);
                let (name, id) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                Some(Position::Name { name: text(name)?, id: text(id)? })
            }
            b'c' => Some(Position::Changed(u64::from_be_bytes(rest.try_into().ok()?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_to_no_other_list() {
        let bound = Bound::new("sensors", &[Some("ecg"), None]);
        let places = [
            Position::Id("ö/4 %".to_owned()),
            Position::Name { name: "garten".to_owned(), id: "s1".to_owned() },
            Position::Changed(u64::MAX),
        ];
        for place in places {
            let cursor = bound.cursor(&place);
            assert_eq!(bound.position(&cursor).expect("its own"), place);
            for (kind, conditions) in
                [("sensors", [Some("ec"), Some("g")]), ("sensors", [None, Some("ecg")]), ("rooms", [Some("ecg"), None])]
            {
                assert!(Bound::new(kind, &conditions).position(&cursor).is_err());
            }
            for at in 0..cursor.len() {
                // Whatever is cut off: no panic.
                let _ = bound.read(&cursor[..at]);
            }
        }
        for wrong in ["", "x", "s3", "%", &"A".repeat(5_000)] {
            assert!(bound.position(wrong).is_err(), "{wrong}");
        }
    }
}
