use super::*;

fn id(text: &str) -> SensorId {
    SensorId::new(text).unwrap()
}

fn medium() -> Interest {
    Interest::whole(Level::Medium)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn act(viewer: &mut Viewer, sensor: &str, act: Act, begins: bool, now: u64) -> Level {
    viewer.act(&id(sensor), None, act, begins, LoadLevel::Normal, seconds(now)).unwrap();
    viewer.interest(&id(sensor)).level()
}

#[test]
fn replacing_adding_and_removing() {
    let mut viewer = Viewer::default();
    let ids = ["a", "b", "c"].map(id);
    assert_eq!(viewer.show(&ids[..2], &medium(), false).unwrap().len(), 2);
    assert_eq!(viewer.show(&ids[..2], &medium(), false).unwrap(), []);
    assert_eq!(viewer.show(&ids[1..], &medium(), false).unwrap().len(), 2);
    assert_eq!(viewer.show(&ids[..1], &medium(), true).unwrap().len(), 1);
    assert_eq!(viewer.len(), 3);
    assert_eq!(viewer.hide(&ids).len(), 3);
    assert!(viewer.is_empty());
}

#[test]
fn too_many_sensors_change_nothing() {
    let mut viewer = Viewer::default();
    let ids: Vec<SensorId> = (0..=VISIBLE_MAX).map(|n| id(&format!("s{n}"))).collect();
    assert_eq!(viewer.show(&ids, &medium(), false).unwrap_err().field, "sensor_ids");
    assert!(viewer.is_empty());
    viewer.show(&ids[..VISIBLE_MAX], &medium(), false).unwrap();
    assert!(viewer.show(&ids[VISIBLE_MAX..], &medium(), true).is_err());
    assert!(viewer.show(&ids[VISIBLE_MAX..], &medium(), false).is_ok());
    assert_eq!(viewer.len(), 1);
}

#[test]
fn focus_and_hover_count_for_a_while_after_they_ended_and_pins_do_not() {
    let mut viewer = Viewer::default();
    viewer.show(&[id("a")], &medium(), false).unwrap();
    assert_eq!(act(&mut viewer, "a", Act::Focus, true, 0), Level::High);
    assert_eq!(act(&mut viewer, "a", Act::Focus, false, 100), Level::High);
    assert_eq!(viewer.poll_timeout(), Some(seconds(115)));
    assert_eq!(viewer.handle_tick(seconds(114)), []);
    assert_eq!(viewer.handle_tick(seconds(115)).len(), 1);
    assert_eq!(viewer.interest(&id("a")).level(), Level::Medium);
    assert_eq!(act(&mut viewer, "b", Act::Hover, true, 200), Level::High);
    act(&mut viewer, "b", Act::Hover, false, 200);
    viewer.handle_tick(seconds(208));
    assert_eq!(viewer.len(), 1, "what was never in view is forgotten");
    act(&mut viewer, "c", Act::Pin, true, 300);
    assert_eq!(act(&mut viewer, "c", Act::Pin, false, 300), Level::None);
}

#[test]
fn what_leaves_the_view_keeps_its_pin_and_loses_what_only_still_counted() {
    let mut viewer = Viewer::default();
    viewer.show(&[id("a"), id("b")], &medium(), false).unwrap();
    act(&mut viewer, "a", Act::Pin, true, 0);
    act(&mut viewer, "b", Act::Focus, true, 0);
    act(&mut viewer, "b", Act::Focus, false, 0);
    viewer.show(&[], &medium(), false).unwrap();
    assert_eq!(viewer.interest(&id("a")).level(), Level::High);
    assert_eq!(viewer.interest(&id("b")).level(), Level::None);
    assert_eq!(viewer.poll_timeout(), None);
}

#[test]
fn a_battery_caps_everything() {
    let mut viewer = Viewer::default();
    viewer.show(&[id("a"), id("b")], &Interest::whole(Level::High), false).unwrap();
    assert_eq!(viewer.set_battery(Battery::Low).len(), 2);
    assert_eq!(viewer.interest(&id("a")).level(), Level::Medium);
    viewer.set_battery(Battery::Critical);
    assert_eq!(act(&mut viewer, "a", Act::Focus, true, 0), Level::Low);
    viewer.set_battery(Battery::Normal);
    assert_eq!(viewer.interest(&id("b")).level(), Level::High);
}

#[test]
fn the_changes_of_a_viewer_add_up_to_what_it_wants() {
    let mut viewer = Viewer::default();
    let mut wanted: BTreeMap<SensorId, Interest> = BTreeMap::new();
    let ids: Vec<SensorId> = (0..6).map(|n| id(&format!("s{n}"))).collect();
    let mut changes = Vec::new();
    for step in 0..200_u64 {
        let sensor = &ids[(step * 7 % 6) as usize];
        let attribute = (step % 3 == 0).then(|| AttributeId::new("ecg").unwrap());
        let kind = [Act::Hover, Act::Focus, Act::Pin][(step % 3) as usize];
        changes.extend(viewer.act(sensor, attribute, kind, step % 5 < 3, LoadLevel::Normal, seconds(step)).unwrap());
        if step % 11 == 0 {
            changes.extend(viewer.show(&ids[..(step % 6) as usize], &medium(), step % 2 == 0).unwrap());
        }
        changes.extend(viewer.handle_tick(seconds(step)));
        for change in changes.drain(..) {
            assert_eq!(wanted.remove(&change.sensor).unwrap_or_default(), change.before);
            if !change.after.is_none() {
                wanted.insert(change.sensor, change.after);
            }
        }
        for sensor in &ids {
            assert_eq!(wanted.get(sensor).cloned().unwrap_or_default(), viewer.interest(sensor));
        }
    }
    let ended: BTreeSet<SensorId> = viewer.clear().into_iter().map(|change| change.sensor).collect();
    assert_eq!(ended, wanted.into_keys().collect());
}
