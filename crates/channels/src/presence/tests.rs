use super::*;

#[derive(Serialize)]
struct Fields {
    device: &'static str,
}

fn meta(phx_ref: &str) -> Meta {
    Meta::new(phx_ref, &Fields { device: "web" }).unwrap()
}

#[test]
fn an_empty_state_is_an_empty_object() {
    assert_eq!(state([]), Json::empty());
}

#[test]
fn a_state_lists_keys_in_order_and_older_metas_first() {
    let (first, second, other) = (meta("F2"), meta("F1"), meta("F3"));
    assert_eq!(
        state([("u2", &first), ("u1", &other), ("u2", &second)]).as_str(),
        concat!(
            r#"{"u1":{"metas":[{"phx_ref":"F3","device":"web"}]},"#,
            r#""u2":{"metas":[{"phx_ref":"F2","device":"web"},{"phx_ref":"F1","device":"web"}]}}"#
        )
    );
}

#[test]
fn the_keys_of_the_protocol_cannot_be_overwritten() {
    let fields = BTreeMap::from([("phx_ref", "mine"), ("phx_ref_prev", "mine"), ("mode", "view")]);
    let meta = Meta::new("F1", &fields).unwrap();
    assert_eq!(state([("u", &meta)]).as_str(), r#"{"u":{"metas":[{"phx_ref":"F1","mode":"view"}]}}"#);
}

#[test]
fn fields_that_are_not_an_object_are_refused() {
    assert_eq!(Meta::new("F1", &[1]), Err(NotAnObject));
    assert_eq!(Meta::new("F1", &()), Err(NotAnObject));
}

#[test]
fn a_diff_has_both_maps_even_if_one_is_empty() {
    let mut diff = Diff::new();
    assert!(diff.is_empty());
    diff.join("u", &meta("F1"));
    assert!(!diff.is_empty());
    assert_eq!(diff.to_json().as_str(), r#"{"joins":{"u":{"metas":[{"phx_ref":"F1","device":"web"}]}},"leaves":{}}"#);
}

#[test]
fn an_update_joins_the_new_meta_with_its_predecessor_and_leaves_the_old_one() {
    let mut diff = Diff::new();
    diff.update("u", &meta("F1"), &meta("F2"));
    assert_eq!(
        diff.to_json().as_str(),
        concat!(
            r#"{"joins":{"u":{"metas":[{"phx_ref":"F2","phx_ref_prev":"F1","device":"web"}]}},"#,
            r#""leaves":{"u":{"metas":[{"phx_ref":"F1","device":"web"}]}}}"#
        )
    );
}

#[test]
fn a_join_and_a_leave_of_the_same_reference_cancel_in_both_orders() {
    let mut diff = Diff::new();
    diff.join("u", &meta("F1"));
    diff.leave("u", &meta("F1"));
    assert!(diff.is_empty());
    diff.leave("u", &meta("F1"));
    diff.join("u", &meta("F1"));
    assert!(diff.is_empty());
}

#[test]
fn updates_in_a_row_are_one_update_and_its_leave_removes_what_the_viewers_have() {
    let mut diff = Diff::new();
    diff.update("u", &meta("F1"), &meta("F2"));
    diff.update("u", &meta("F2"), &meta("F3"));
    let mut direct = Diff::new();
    direct.update("u", &meta("F1"), &meta("F3"));
    assert_eq!(diff, direct);
    diff.leave("u", &meta("F3"));
    let mut left = Diff::new();
    left.leave("u", &meta("F1"));
    assert_eq!(diff, left);
}

#[test]
fn an_update_of_an_unseen_join_is_a_join() {
    let mut diff = Diff::new();
    diff.join("u", &meta("F1"));
    diff.update("u", &meta("F1"), &meta("F2"));
    let mut joined = Diff::new();
    joined.join("u", &meta("F2"));
    assert_eq!(diff, joined);
}

#[test]
fn saying_a_change_twice_says_it_once() {
    let mut diff = Diff::new();
    diff.join("u", &meta("F1"));
    diff.join("u", &meta("F1"));
    diff.leave("u", &meta("F0"));
    diff.leave("u", &meta("F0"));
    let mut once = Diff::new();
    once.join("u", &meta("F1"));
    once.leave("u", &meta("F0"));
    assert_eq!(diff, once);
}
