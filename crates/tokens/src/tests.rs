use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32]).expect("a key")
}

fn auth() -> Auth {
    Auth::new(Some(key()), false)
}

fn claims() -> UserClaims {
    UserClaims { user_id: UserId::new("u 1/ö").expect("an id"), name: "Ada".to_owned(), valid_for: HOUR }
}

fn now() -> u64 {
    now_s()
}

/// Claims that are valid, for tests to spoil.
fn valid() -> Value {
    json!({"sub": "user?id=u1", "name": "Ada", "aud": "sensocto", "scope": "user", "iat": now(), "nbf": now(), "exp": now() + 60})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = valid();
    claims[name] = value;
    claims
}

fn sign(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = key().mac();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn hs256(claims: &Value) -> String {
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims)
}

fn is_taken(token: &str) -> bool {
    let known = auth().identify(Some(token), now()) != User::Anonymous;
    assert_eq!(
        known,
        auth().check_bearer(token, now()).is_ok(),
        "a user token is good for a sensor too, and nothing else is: {token}"
    );
    known
}

/// The same text with one character changed to each of some others.
fn flips(token: &str) -> impl Iterator<Item = String> + '_ {
    token.char_indices().flat_map(move |(at, character)| {
        let others = ['A', 'B', 'w', '_', '.', ':'].into_iter().filter(move |other| *other != character);
        others.map(move |other| format!("{}{other}{}", &token[..at], &token[at + character.len_utf8()..]))
    })
}

#[test]
fn a_user_token_makes_its_user_known_and_brings_in_sensors_in_their_name() {
    let token = key().mint_user(&claims()).expect("a token");
    assert_eq!(auth().identify(Some(&token), now()), User::Known { id: claims().user_id, name: "Ada".to_owned() });
    assert_eq!(auth().check_bearer(&token, now()), Ok(Bearer { username: Some("Ada".to_owned()) }));
}

#[test]
fn a_sensor_token_brings_in_sensors_and_makes_nobody_known() {
    let token = key().mint_sensor(&claims()).expect("a token");
    assert_eq!(auth().check_bearer(&token, now()), Ok(Bearer { username: Some("Ada".to_owned()) }));
    assert_eq!(auth().identify(Some(&token), now()), User::Anonymous);
}

#[test]
fn a_guest_token_brings_in_sensors_in_nobodys_name_and_makes_nobody_known() {
    let token = key().mint_guest().expect("a token");
    let (id, secret) = token.strip_prefix("guest:").and_then(|rest| rest.split_once(':')).expect("two parts");
    assert_eq!((id.len(), secret.len()), (6 + 22, 43));
    assert_eq!(auth().check_bearer(&token, now()), Ok(Bearer { username: None }));
    assert_eq!(auth().identify(Some(&token), now()), User::Anonymous);
    assert_ne!(token, key().mint_guest().expect("another token"));
}

#[test]
fn what_is_no_token_is_refused() {
    assert_eq!(auth().identify(None, now()), User::Anonymous);
    for garbage in [
        "",
        " ",
        "x",
        "a.b.c",
        "...",
        "Bearer x",
        "guest:",
        "guest::",
        "guest:guest_x:y",
        "missing",
        "null",
        "\u{0}",
        "ä.ö.ü",
    ] {
        assert!(!is_taken(garbage), "{garbage:?}");
    }
}

#[test]
fn missing_is_taken_only_where_the_node_says_so() {
    assert_eq!(Auth::new(None, true).check_bearer("missing", now()), Ok(Bearer { username: None }));
    assert_eq!(Auth::new(None, false).check_bearer("missing", now()), Err(Unauthorized));
    for other in ["", "Missing", "missing ", "none"] {
        assert_eq!(Auth::new(None, true).check_bearer(other, now()), Err(Unauthorized), "{other:?}");
    }
}

#[test]
fn without_a_key_no_token_is_taken() {
    let token = key().mint_user(&claims()).expect("a token");
    let guest = key().mint_guest().expect("a token");
    let keyless = Auth::new(None, true);
    assert_eq!(keyless.identify(Some(&token), now()), User::Anonymous);
    assert_eq!(keyless.check_bearer(&token, now()), Err(Unauthorized));
    assert_eq!(keyless.check_bearer(&guest, now()), Err(Unauthorized));
}

#[test]
fn a_token_of_another_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]).expect("a key");
    let token = other.mint_user(&claims()).expect("a token");
    assert!(!is_taken(&token));
    assert!(auth().check_bearer(&other.mint_guest().expect("a token"), now()).is_err());
}

#[test]
fn only_hs256_is_taken() {
    assert!(is_taken(&hs256(&valid())));
    for algorithm in ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"] {
        let token = sign(&json!({"alg": algorithm, "typ": "JWT"}), &valid());
        assert!(!is_taken(&token), "{algorithm}");
        let (unsigned, _) = token.rsplit_once('.').expect("a signature");
        assert!(!is_taken(&format!("{unsigned}.")), "{algorithm} without a signature");
        assert!(!is_taken(unsigned), "{algorithm} without a signature and its dot");
    }
    assert!(!is_taken(&sign(&json!({"typ": "JWT"}), &valid())));
}

#[test]
fn no_character_of_a_user_token_can_be_changed() {
    let token = key().mint_user(&claims()).expect("a token");
    assert!(is_taken(&token));
    for changed in flips(&token) {
        assert!(!is_taken(&changed), "{changed}");
    }
}

#[test]
fn no_character_of_a_guest_token_can_be_changed() {
    let token = key().mint_guest().expect("a token");
    let auth = auth();
    assert!(auth.check_bearer(&token, now()).is_ok());
    for changed in flips(&token) {
        assert!(auth.check_bearer(&changed, now()).is_err(), "{changed}");
    }
    let (guest, secret) = token.rsplit_once(':').expect("two parts");
    for changed in
        [guest.to_owned(), format!("{guest}:"), format!("{token}A"), format!("{token}:"), format!("{guest}:{secret}=")]
    {
        assert!(auth.check_bearer(&changed, now()).is_err(), "{changed}");
    }
}

#[test]
fn a_guest_cannot_take_the_token_of_another_one() {
    let [first, second] = [key().mint_guest().expect("a token"), key().mint_guest().expect("a token")];
    let (guest, _) = first.rsplit_once(':').expect("two parts");
    let (_, secret) = second.rsplit_once(':').expect("two parts");
    assert!(auth().check_bearer(&format!("{guest}:{secret}"), now()).is_err());
}

#[test]
fn a_token_is_valid_in_its_time_give_or_take_a_minute() {
    let table = [
        ("exp", json!(now() + 5), true),
        ("exp", json!(now() - 30), true),
        ("exp", json!(now() - 90), false),
        ("exp", json!(0), false),
        ("exp", json!("soon"), false),
        ("exp", Value::Null, false),
        ("nbf", json!(now() + 30), true),
        ("nbf", json!(now() + 90), false),
        ("nbf", json!("later"), false),
    ];
    for (name, value, expected) in table {
        assert_eq!(is_taken(&hs256(&with(name, value.clone()))), expected, "{name} {value}");
    }
}

#[test]
fn the_time_is_the_one_that_is_passed_in() {
    let token = key().mint_user(&claims()).expect("a token");
    let known = |now_s| auth().identify(Some(&token), now_s) != User::Anonymous;
    let hour = HOUR.as_secs();
    assert!(known(now()) && known(now() + hour) && !known(now() + hour + 120) && !known(now() - 120) && !known(0));
    assert!(!known(u64::MAX));
}

#[test]
fn a_minted_token_that_has_run_out_is_refused() {
    let short = UserClaims { valid_for: Duration::ZERO, ..claims() };
    assert!(is_taken(&key().mint_user(&short).expect("a token")), "within the leeway");
    let for_ever = UserClaims { valid_for: Duration::MAX, ..claims() };
    assert!(is_taken(&key().mint_user(&for_ever).expect("a token")));
}

#[test]
fn a_token_for_somebody_or_something_else_is_refused() {
    let table = [
        ("aud", json!("sensocto"), true),
        ("aud", json!("another"), false),
        ("aud", json!("Sensocto"), false),
        ("aud", json!(["another"]), false),
        ("aud", Value::Null, false),
        ("sub", json!("user?id=u2"), true),
        ("sub", json!("user?id="), false),
        ("sub", json!("u1"), false),
        ("sub", json!("user?id=a\u{7}b"), false),
        ("sub", json!(format!("user?id={}", "x".repeat(129))), false),
        ("name", json!(""), true),
        ("name", json!("a\nb"), false),
        ("name", json!("x".repeat(257)), false),
        ("name", Value::Null, false),
        ("scope", json!("admin"), false),
        ("scope", Value::Null, false),
    ];
    for (name, value, expected) in table {
        assert_eq!(is_taken(&hs256(&with(name, value.clone()))), expected, "{name} {value}");
    }
    assert!(!is_taken(&hs256(&json!({}))));
    assert!(!is_taken(&hs256(&json!([]))));
}

#[test]
fn a_token_that_is_too_large_is_refused_however_valid() {
    let padded = |bytes: usize| hs256(&with("padding", json!("x".repeat(bytes))));
    let fits = padded(5_000);
    let over = padded(8_000);
    assert!(fits.len() <= TOKEN_BYTES_MAX && over.len() > TOKEN_BYTES_MAX);
    assert!(is_taken(&fits));
    assert!(!is_taken(&over));
    assert!(auth().check_bearer(&format!("guest:{}", "x".repeat(64 * 1024)), now()).is_err());
}

#[test]
fn a_name_that_is_not_allowed_gets_no_token() {
    let claims = UserClaims { name: "a\nb".to_owned(), ..claims() };
    let error = key().mint_user(&claims).expect_err("refused");
    assert!(error.to_string().starts_with("name must be at most 256 bytes"), "{error}");
}

#[test]
fn a_key_is_made_once_and_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    let made = SigningKey::create(&path).expect("made");
    let read = SigningKey::read(&path).expect("read");
    assert_eq!(made.bytes(), read.bytes());
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!((text.lines().count(), text.trim_end().len()), (1, 43));

    let error = SigningKey::create(&path).expect_err("refused").to_string();
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
    assert_ne!(made.bytes(), SigningKey::create(&directory.path().join("other")).expect("made").bytes());
}

#[cfg(unix)]
#[test]
fn a_new_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    SigningKey::create(&path).expect("made");
    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_holds_no_key_is_refused_by_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    let long = "A".repeat(5_000);
    for text in ["", "\n", "short", "not base64url at all, but long enough to be a key !!", &long] {
        std::fs::write(&path, text).expect("written");
        let error = SigningKey::read(&path).expect_err("refused").to_string();
        assert!(error.contains("key"), "{error}");
        assert!(text.is_empty() || text == "\n" || !error.contains(text), "{error}");
    }
    let error = SigningKey::read(&directory.path().join("absent")).expect_err("refused");
    assert!(matches!(error, KeyError::Read { .. }), "{error:?}");
    std::fs::write(&path, format!("  {}=\n", "A".repeat(43))).expect("written");
    assert!(SigningKey::read(&path).is_ok(), "padding and blanks around it do no harm");
}

#[test]
fn a_key_does_not_show_itself() {
    let shown = format!("{:?}", key());
    assert!(!shown.contains('7'), "{shown}");
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// Values of all kinds, as a claim may be.
    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            Just(json!(["sensocto", "other"])),
            Just(json!({})),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_no_token(text in "\\PC{0,200}", like in prop_oneof![Just(""), Just("guest:guest_"), Just("e30.e30.")]) {
            let token = format!("{like}{text}");
            prop_assert!(!is_taken(&token), "{}", token);
        }

        #[test]
        fn a_token_with_any_byte_changed_is_no_token(at in any::<prop::sample::Index>(), by in 1_u8..128, guest in any::<bool>()) {
            let token = if guest { key().mint_guest().expect("a token") } else { hs256(&valid()) };
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            let changed = String::from_utf8_lossy(&bytes);
            // The last character of a part has bits that say nothing.
            let (one, other) = (decoded(&token), decoded(&changed));
            prop_assert!(one == other || auth().check_bearer(&changed, now()).is_err(), "{}", changed);
        }

        #[test]
        fn claims_of_any_kind_make_nobody_known_who_is_not_named(name in "sub|name|aud|scope|exp|nbf", value in any_value()) {
            let known = is_taken(&hs256(&with(&name, value.clone())));
            // Other names, other lists with the audience, and earlier or later times are as good.
            let may = matches!((name.as_str(), &value), ("name", Value::String(_)) | ("exp" | "nbf", Value::Number(_)) | ("aud", Value::Array(_)));
            prop_assert!(!known || may, "{}: {}", name, value);
        }
    }

    /// What the parts of a token hold.
    fn decoded(token: &str) -> Vec<Option<Vec<u8>>> {
        token.split(['.', ':']).map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok()).collect()
    }
}
