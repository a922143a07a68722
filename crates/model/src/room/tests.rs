use super::*;

#[test]
fn a_join_code_is_read_in_either_case_and_nothing_else_is_one() {
    let code = JoinCode::new("k7m2qxpa").expect("a code");
    assert_eq!(code.as_str(), "K7M2QXPA");
    assert!(!format!("{code:?}").contains("K7M2"), "it stays out of logs");
    for bad in ["", "K7M2QXP", "K7M2QXPAA", "K7M2QXP1", "K7M2QXPI", "K7M2QXPO", "K7M2QXÄ"] {
        assert_eq!(JoinCode::new(bad).expect_err(bad).field, "join_code");
    }
}

#[test]
fn random_bytes_make_every_character_equally_likely() {
    let mut counts = BTreeMap::new();
    for byte in 0..=255 {
        for character in JoinCode::from_random([byte; JOIN_CODE_LENGTH]).as_str().chars() {
            *counts.entry(character).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), JOIN_CODE_CHARACTERS.len());
    assert!(counts.values().all(|count| *count == 8 * JOIN_CODE_LENGTH), "{counts:?}");
}

#[test]
fn settings_hold_what_is_allowed_and_name_the_field_that_is_not() {
    let with_name = |name: String| RoomSettings { name, ..RoomSettings::default() };
    assert_eq!(RoomSettings::default().validate(), Ok(()));
    assert_eq!(with_name("ä".repeat(100)).validate(), Ok(()));
    for bad in [String::new(), "x".repeat(101), "a\u{202e}b".to_owned(), "a\nb".to_owned()] {
        assert_eq!(with_name(bad).validate().expect_err("refused").field, "name");
    }
    let described =
        |description: &str| RoomPatch { description: Some(Some(description.to_owned())), ..RoomPatch::default() };
    assert_eq!(described("two\nlines").validate(), Ok(()));
    assert_eq!(described(&"x".repeat(2_001)).validate().expect_err("refused").field, "description");
    assert_eq!(described("\u{1b}[31m").validate().expect_err("refused").field, "description");
}

#[test]
fn a_configuration_is_an_object_within_limits() {
    let of = |json: &str| Configuration::of_value(&serde_json::from_str(json).expect("JSON"));
    assert_eq!(of("{}").expect("none").as_json(), "{}");
    assert_eq!(of(r#"{"a":[1,"}{"]}"#).expect("one").as_json(), r#"{"a":[1,"}{"]}"#);
    let deep = |levels: usize| format!("{}{}", r#"{"a":"#.repeat(levels - 1) + "{}", "}".repeat(levels - 1));
    assert!(of(&deep(16)).is_ok());
    for bad in [deep(17), "1".to_owned(), "[]".to_owned(), format!(r#"{{"a":"{}"}}"#, "x".repeat(4_096))] {
        assert_eq!(of(&bad).expect_err("refused").field, "configuration");
    }
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let before = RoomSettings { description: Some("old".to_owned()), ..RoomSettings::default() };
    let patch = RoomPatch { description: Some(None), is_public: Some(false), ..RoomPatch::default() };
    let after = patch.applied_to(&before);
    assert_eq!(after, RoomSettings { description: None, is_public: false, ..before.clone() });
    assert_eq!(RoomPatch::default().applied_to(&before), before);
}
