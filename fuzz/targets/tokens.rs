//! Tokens of clients, at any time: as they come, and with a signature that is right, so that what is behind it is reached.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use sensocto_tokens::{Auth, SigningKey, User};
use sha2::Sha256;

const KEY: [u8; 32] = [7; 32];

fn signed(header: &str, claims: &[u8]) -> Option<String> {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).ok()?;
    mac.update(text.as_bytes());
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((time, bytes)) = bytes.split_first_chunk::<8>() else { return };
    let now_s = u64::from_le_bytes(*time);
    let auth = Auth::new(SigningKey::from_bytes(&KEY), false);
    let text = String::from_utf8_lossy(bytes);
    let _ = auth.identify(Some(&text), now_s);
    let _ = auth.check_bearer(&text, now_s);
    let _ = auth.check_bearer(&format!("guest:{text}"), now_s);
    for header in [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"HS256"}"#] {
        let Some(token) = signed(header, bytes) else { return };
        // A user token is good for a sensor, too.
        if auth.identify(Some(&token), now_s) != User::Anonymous {
            assert!(auth.check_bearer(&token, now_s).is_ok(), "{token}");
        }
        let other = Auth::new(SigningKey::from_bytes(&[8; 32]), false);
        assert!(other.check_bearer(&token, now_s).is_err(), "{token}");
    }
    // Nobody can say this algorithm is none.
    if let Some(token) = signed(r#"{"alg":"none"}"#, bytes) {
        assert!(auth.check_bearer(&token, now_s).is_err(), "{token}");
    }
});
