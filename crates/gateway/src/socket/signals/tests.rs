use serde_json::json;

use super::*;

fn read_of(payload: &Value, only: Option<&SensorId>) -> Result<Shown, FieldError> {
    read(payload.as_object().expect("an object"), only)
}

#[test]
fn what_is_not_said_is_medium_all_attributes_and_everything_else_out_of_view() {
    let shown = read_of(&json!({"sensor_ids": ["a", "b"]}), None).expect("allowed");
    assert_eq!((shown.sensors.len(), shown.mode, shown.recent), (2, ShowMode::Replace, 100));
    assert_eq!(shown.interest, Interest::whole(Level::Medium));
}

#[test]
fn a_topic_of_one_sensor_names_it_itself() {
    let only = SensorId::new("a").expect("an id");
    let shown = read_of(&json!({"sensor_ids": ["b"], "mode": "remove", "attributes": ["ecg"]}), Some(&only));
    let shown = shown.expect("allowed");
    assert_eq!((shown.sensors, shown.mode), (vec![only], ShowMode::Replace));
    assert_eq!(shown.interest.level_of(&AttributeId::new("hr").expect("an id")), Level::None);
}

#[test]
fn what_is_not_allowed_names_the_field() {
    let many: Vec<String> = (0..1_001).map(|number| format!("s{number}")).collect();
    let table = [
        (json!({"sensor_ids": many}), "sensor_ids"),
        (json!({"sensor_ids": "a"}), "sensor_ids"),
        (json!({"sensor_ids": [1]}), "sensor_ids"),
        (json!({"sensor_ids": ["a\nb"]}), "sensor_id"),
        (json!({"level": "highest"}), "level"),
        (json!({"level": "none"}), "level"),
        (json!({"level": 3}), "level"),
        (json!({"mode": "toggle"}), "mode"),
        (json!({"recent": 501}), "recent"),
        (json!({"recent": -1}), "recent"),
        (json!({"attributes": []}), "attributes"),
        (json!({"attributes": ["_x"]}), "attribute_id"),
    ];
    for (payload, field) in table {
        assert_eq!(read_of(&payload, None).err().map(|error| error.field), Some(field), "{payload}");
    }
}
