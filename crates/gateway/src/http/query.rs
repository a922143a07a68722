//! Query parameters, read so that a mistake is answered with what would have been right.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::ApiError;

/// The parameters of one route.
pub(super) trait Parameters: Sized {
    /// Their names. Any other is refused: a misspelt filter must not look like one that everything passes.
    const NAMES: &'static [&'static str];

    /// Takes their values.
    fn read(values: &mut Values) -> Result<Self, ApiError>;
}

/// The values of a query, by name.
pub(super) struct Values(Vec<(String, String)>);

impl Values {
    /// The value of a parameter as it is.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The value of a parameter as one of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &str,
        known: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let words: Vec<&str> = known.iter().map(|known| word(*known)).collect();
        let found = known.iter().copied().find(|known| word(*known) == text);
        found.map(Some).ok_or_else(|| ApiError::invalid(name, words.join(", ")))
    }

    /// The value of a parameter as a whole number within a range.
    pub(super) fn number<N>(&mut self, name: &str, range: RangeInclusive<N>, default: N) -> Result<N, ApiError>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .ok_or_else(|| ApiError::invalid(name, format!("a whole number from {} to {}", range.start(), range.end())))
    }
}

/// Extracts the parameters of a route, or refuses the request with 400.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: Parameters> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::invalid("query", "name=value pairs, percent-encoded and joined by &"))?
            .0;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !T::NAMES.contains(&name.as_str()) {
                return Err(ApiError::unknown_parameter(name, T::NAMES));
            }
            if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(ApiError::invalid(name, "given once"));
            }
        }
        T::read(&mut Values(pairs)).map(Query)
    }
}

/// For routes that take no parameters.
pub(super) struct NoParameters;

impl Parameters for NoParameters {
    const NAMES: &'static [&'static str] = &[];

    fn read(_: &mut Values) -> Result<Self, ApiError> {
        Ok(NoParameters)
    }
}
