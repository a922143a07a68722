//! The signing key: 32 bytes or more, kept in a file as one line of base64url.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The shortest key in bytes: as long as what it signs with gives (RFC 7518, 3.2).
const KEY_BYTES_MIN: usize = 32;
/// The largest key file in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024;

/// The key that signs and checks tokens. All nodes of a cluster have the same one.
#[derive(Clone)]
pub struct SigningKey {
    bytes: Vec<u8>,
    mac: Hmac<Sha256>,
}

/// Why there is no signing key.
#[derive(Debug)]
pub enum KeyError {
    /// The file cannot be read.
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds something else.
    Malformed {
        /// The file.
        path: String,
    },
    /// The file cannot be made, for example because it is there already.
    Create {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The system has no random bytes.
    Random(getrandom::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Read { path, error } => write!(formatter, "the signing key {path} cannot be read ({error})"),
            KeyError::Malformed { path } => {
                write!(
                    formatter,
                    "{path} is no signing key: it must be one line of base64url, {KEY_BYTES_MIN} bytes or more"
                )
            }
            KeyError::Create { path, error } if error.kind() == io::ErrorKind::AlreadyExists => {
                write!(
                    formatter,
                    "{path} is there already: replacing a key ends all tokens, so remove it by hand or name another file"
                )
            }
            KeyError::Create { path, error } => write!(formatter, "the signing key {path} cannot be written ({error})"),
            KeyError::Random(error) => write!(formatter, "the system has no random bytes: {error}"),
        }
    }
}

impl std::error::Error for KeyError {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(not shown)")
    }
}

impl SigningKey {
    /// Takes a key from memory; `None` where it is shorter than 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<SigningKey> {
        let mac = Hmac::new_from_slice(bytes).ok()?;
        (bytes.len() >= KEY_BYTES_MIN).then(|| SigningKey { bytes: bytes.to_vec(), mac })
    }

    /// Reads a key from a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
        let shown = path.display().to_string();
        let text = read_small(path).map_err(|error| KeyError::Read { path: shown.clone(), error })?;
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let engine = GeneralPurpose::new(&alphabet::URL_SAFE, lenient);
        let bytes = engine.decode(text.trim_ascii()).ok();
        bytes.and_then(|bytes| SigningKey::from_bytes(&bytes)).ok_or(KeyError::Malformed { path: shown })
    }

    /// Makes a new random key and writes it to a new file that only its owner may read. A file that is there is not touched.
    ///
    /// # Errors
    /// The file cannot be made, or the system has no random bytes.
    pub fn create(path: &Path) -> Result<SigningKey, KeyError> {
        let mut bytes = vec![0; KEY_BYTES_MIN];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        let line = format!("{}\n", URL_SAFE_NO_PAD.encode(&bytes));
        let shown = path.display().to_string();
        write_new(path, &line).map_err(|error| KeyError::Create { path: shown.clone(), error })?;
        SigningKey::from_bytes(&bytes).ok_or(KeyError::Malformed { path: shown })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ready to sign.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    warn_if_others_may_read(&file.metadata()?, path);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too large does not look like a key.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large for a key"));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn warn_if_others_may_read(metadata: &std::fs::Metadata, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // Not refused: secrets that a cluster manager mounts are often readable by a group.
    if metadata.permissions().mode() & 0o007 != 0 {
        tracing::warn!(path = %path.display(), "everybody on this machine may read the signing key");
    }
}

#[cfg(not(unix))]
fn warn_if_others_may_read(_: &std::fs::Metadata, _: &Path) {}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key would be refused at the next start; nothing is better than that.
        let _ = std::fs::remove_file(path);
    }
    written
}
