//! Who a client is: user, sensor and guest tokens, all signed with one key and checked without a store.
//!
//! User and sensor tokens are JSON Web Tokens (RFC 7519) with HMAC-SHA-256 and nothing else. A guest token is
//! `guest:<guest_id>:<HMAC-SHA-256 of "guest:<guest_id>">`. The two cannot be taken for one another: what is signed in a JSON Web
//! Token has a dot and no colon, and in a guest token a colon and no dot.
//!
//! What is checked depends on the key, the token and the time, which is passed in; sockets, requests and limits are the gateway's.

mod key;

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sensocto_model::{FieldError, UserId, text};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

pub use key::{KeyError, SigningKey};

/// Whom a token is meant for. A token of another system that happens to share the key is not taken.
const AUDIENCE: &str = "sensocto";
/// Longest token in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// By how many seconds clocks may differ.
const LEEWAY_S: u64 = 60;
/// What precedes a user's id in the subject of a token.
const SUBJECT: &str = "user?id=";
/// What a client says that has no token.
const MISSING: &str = "missing";
const GUEST: &str = "guest:";
const GUEST_ID: &str = "guest_";
/// Random bytes behind a guest's id: 22 characters.
const GUEST_ID_BYTES: usize = 16;

/// For whom to make a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClaims {
    /// The user.
    pub user_id: UserId,
    /// The user's name, for people; at most 256 bytes.
    pub name: String,
    /// For how long, from now.
    pub valid_for: Duration,
}

/// Why a token was not made.
#[derive(Debug)]
pub enum MintError {
    /// The name is not allowed.
    Name(FieldError),
    /// The system has no random bytes.
    Random(getrandom::Error),
    /// It could not be written.
    Sign(jsonwebtoken::errors::Error),
}

impl fmt::Display for MintError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MintError::Name(error) => write!(formatter, "{} must be {}", error.field, error.allowed),
            MintError::Random(error) => write!(formatter, "the system has no random bytes: {error}"),
            MintError::Sign(error) => write!(formatter, "the token could not be signed: {error}"),
        }
    }
}

impl std::error::Error for MintError {}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Being a user, and bringing in sensors.
    User,
    /// Bringing in sensors.
    Sensor,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    name: String,
    aud: String,
    scope: Scope,
    iat: u64,
    nbf: u64,
    exp: u64,
}

impl SigningKey {
    /// A token that makes a socket, or a request, that of a user. It is good for sensors as well.
    ///
    /// # Errors
    /// The name is not allowed.
    pub fn mint_user(&self, claims: &UserClaims) -> Result<String, MintError> {
        self.mint(claims, Scope::User)
    }

    /// A token that brings in sensors in a user's name, and is good for nothing else.
    ///
    /// # Errors
    /// The name is not allowed.
    pub fn mint_sensor(&self, claims: &UserClaims) -> Result<String, MintError> {
        self.mint(claims, Scope::Sensor)
    }

    /// A token that brings in sensors for somebody without a name. It is good for as long as the key is.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn mint_guest(&self) -> Result<String, MintError> {
        let mut random = [0; GUEST_ID_BYTES];
        getrandom::fill(&mut random).map_err(MintError::Random)?;
        let id = format!("{GUEST_ID}{}", URL_SAFE_NO_PAD.encode(random));
        let token = URL_SAFE_NO_PAD.encode(self.guest_mac(&id).finalize().into_bytes());
        Ok(format!("{GUEST}{id}:{token}"))
    }

    fn mint(&self, claims: &UserClaims, scope: Scope) -> Result<String, MintError> {
        text::check_name("name", &claims.name).map_err(MintError::Name)?;
        let now = now_s();
        let claims = Claims {
            sub: format!("{SUBJECT}{}", claims.user_id),
            name: claims.name.clone(),
            aud: AUDIENCE.to_owned(),
            scope,
            iat: now,
            nbf: now,
            exp: now.saturating_add(claims.valid_for.as_secs()),
        };
        let key = EncodingKey::from_secret(self.bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(MintError::Sign)
    }

    fn guest_mac(&self, id: &str) -> Hmac<Sha256> {
        let mut mac = self.mac();
        mac.update(GUEST.as_bytes());
        mac.update(id.as_bytes());
        mac
    }
}

/// Who is behind a socket or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// Nobody that this node knows.
    Anonymous,
    /// The owner of a valid user token.
    Known {
        /// The user.
        id: UserId,
        /// The user's name, for people.
        name: String,
    },
}

/// What a valid bearer token says about a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// In whose name, where the token names somebody.
    pub username: Option<String>,
}

/// A token is not good for what it was shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unauthorized;

/// Why a token is not taken, for the log. It never holds a part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoKey,
    TooLarge,
    Malformed,
    Signature,
    Expired,
    NotYet,
    Audience,
    Scope,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Refusal::NoKey => "this node has no signing key",
            Refusal::TooLarge => "it is too large",
            Refusal::Malformed => "it is no token",
            Refusal::Signature => "it was signed by somebody else",
            Refusal::Expired => "it is expired",
            Refusal::NotYet => "it is not valid yet",
            Refusal::Audience => "it is for another system",
            Refusal::Scope => "it is for something else",
        }
    }
}

/// Seconds since 1970 on this machine's clock.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Checks tokens.
pub struct Auth {
    key: Option<(SigningKey, DecodingKey)>,
    validation: Validation,
    accept_missing: bool,
}

impl Auth {
    /// `accept_missing` lets sensors in whose client says that it has no token.
    #[must_use]
    pub fn new(key: Option<SigningKey>, accept_missing: bool) -> Auth {
        let key = key.map(|key| {
            let decoding = DecodingKey::from_secret(key.bytes());
            (key, decoding)
        });
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are compared here, with the time that is passed in.
        validation.validate_exp = false;
        validation.aud = Some(HashSet::from([AUDIENCE.to_owned()]));
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        Auth { key, validation, accept_missing }
    }

    /// Who a token stands for at a time, in seconds since 1970. Whatever is not a valid user token is nobody.
    pub fn identify(&self, token: Option<&str>, now_s: u64) -> User {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return User::Anonymous };
        let known = self.claims(token, now_s).and_then(|claims| match claims.scope {
            Scope::User => user(&claims),
            Scope::Sensor => Err(Refusal::Scope),
        });
        known.unwrap_or_else(|refusal| {
            tracing::debug!(reason = refusal.as_str(), "a user token was not taken, its client is anonymous");
            User::Anonymous
        })
    }

    /// Whether a token may bring in sensors at a time, in seconds since 1970.
    ///
    /// # Errors
    /// It may not; why is for the log alone.
    pub fn check_bearer(&self, token: &str, now_s: u64) -> Result<Bearer, Unauthorized> {
        if token == MISSING && self.accept_missing {
            return Ok(Bearer { username: None });
        }
        let bearer = match token.strip_prefix(GUEST) {
            Some(guest) => self.guest(guest).map(|()| Bearer { username: None }),
            None => self.claims(token, now_s).and_then(|claims| match claims.scope {
                Scope::User | Scope::Sensor => user(&claims).map(|_| Bearer { username: Some(claims.name) }),
            }),
        };
        bearer.map_err(|refusal| {
            tracing::debug!(reason = refusal.as_str(), "a bearer token was not taken");
            Unauthorized
        })
    }

    fn claims(&self, token: &str, now_s: u64) -> Result<Claims, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let (_, key) = self.key.as_ref().ok_or(Refusal::NoKey)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation);
        let claims = decoded.map_err(|error| refusal(error.kind()))?.claims;
        if claims.exp.saturating_add(LEEWAY_S) < now_s {
            return Err(Refusal::Expired);
        }
        if claims.nbf > now_s.saturating_add(LEEWAY_S) {
            return Err(Refusal::NotYet);
        }
        Ok(claims)
    }

    /// Checks `<guest_id>:<token>`.
    fn guest(&self, guest: &str) -> Result<(), Refusal> {
        if guest.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let (key, _) = self.key.as_ref().ok_or(Refusal::NoKey)?;
        let (id, token) = guest.split_once(':').ok_or(Refusal::Malformed)?;
        let random = id.strip_prefix(GUEST_ID).and_then(|random| URL_SAFE_NO_PAD.decode(random).ok());
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::Malformed)?;
        if random.is_none_or(|random| random.len() != GUEST_ID_BYTES) {
            return Err(Refusal::Malformed);
        }
        key.guest_mac(id).verify_slice(&token).map_err(|_| Refusal::Signature)
    }
}

fn user(claims: &Claims) -> Result<User, Refusal> {
    let id = claims.sub.strip_prefix(SUBJECT).and_then(|id| UserId::new(id).ok()).ok_or(Refusal::Malformed)?;
    text::check_name("name", &claims.name).map_err(|_| Refusal::Malformed)?;
    Ok(User::Known { id, name: claims.name.clone() })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may have more reasons, none of which is about to be told apart"
)]
fn refusal(error: &ErrorKind) -> Refusal {
    match error {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAudience => Refusal::Audience,
        _ => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests;
