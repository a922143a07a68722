//! The serializer version that a client asks for in its URL.

use std::fmt;

/// A serializer: how a message is written as a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vsn {
    /// One JSON object a frame. No binary frames, and no `join_ref` from the node.
    V1,
    /// One JSON array a frame, or a binary frame with a short header.
    V2,
}

impl Vsn {
    /// The serializer that the query parameter `vsn` stands for: absent means `1.0.0`, `1.0.x` is V1, `2.0.x` is V2.
    ///
    /// Whether the client wrote the parameter at all is for the caller to remember: some payloads depend on it.
    ///
    /// # Errors
    /// Any other version, and any text that is not three numbers, is refused; the answer is then HTTP 403.
    pub fn from_query(vsn: Option<&str>) -> Result<Self, UnsupportedVsn> {
        let Some(vsn) = vsn else {
            return Ok(Self::V1);
        };
        let (family, patch) = vsn.rsplit_once('.').ok_or(UnsupportedVsn)?;
        if patch.is_empty() || !patch.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(UnsupportedVsn);
        }
        match family {
            "1.0" => Ok(Self::V1),
            "2.0" => Ok(Self::V2),
            _ => Err(UnsupportedVsn),
        }
    }

    /// What a client writes in its URL to get this serializer.
    #[must_use]
    pub fn as_query(self) -> &'static str {
        match self {
            Self::V1 => "1.0.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// The client asked for a serializer that does not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedVsn;

impl fmt::Display for UnsupportedVsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unsupported serializer version: 1.0.x and 2.0.x are spoken here")
    }
}

impl std::error::Error for UnsupportedVsn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_version_means_the_first_serializer() {
        assert_eq!(Vsn::from_query(None), Ok(Vsn::V1));
    }

    #[test]
    fn each_family_of_versions_selects_its_serializer() {
        assert_eq!(Vsn::from_query(Some("1.0.0")), Ok(Vsn::V1));
        assert_eq!(Vsn::from_query(Some("1.0.17")), Ok(Vsn::V1));
        assert_eq!(Vsn::from_query(Some("2.0.0")), Ok(Vsn::V2));
        for vsn in [Vsn::V1, Vsn::V2] {
            assert_eq!(Vsn::from_query(Some(vsn.as_query())), Ok(vsn));
        }
    }

    #[test]
    fn other_versions_and_other_text_are_refused() {
        for vsn in
            ["3.0.0", "1.1.0", "2.1.0", "2.0", "2", "", "2.0.", "2.0.x", "2.0.0.0", " 2.0.0", "v2.0.0", "2.0.0-rc"]
        {
            assert_eq!(Vsn::from_query(Some(vsn)), Err(UnsupportedVsn), "{vsn:?}");
        }
    }
}
