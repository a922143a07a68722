//! How many samples of an attribute are kept, by its id.

use crate::LoadLevel;

/// How many samples are kept: the ones that are shown at first sight, and older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Shown at first sight.
    pub hot: usize,
    /// Beyond these.
    pub warm: usize,
}

impl Kept {
    const fn of(hot: usize, warm: usize) -> Kept {
        Kept { hot, warm }
    }

    /// How many are kept under a load; at least the last one.
    #[must_use]
    pub fn under(self, load: LoadLevel) -> usize {
        let (hot, warm) = match load {
            LoadLevel::Normal => (100, 100),
            LoadLevel::Elevated => (80, 50),
            LoadLevel::High => (40, 20),
            LoadLevel::Critical => (20, 5),
        };
        (self.hot * hot / 100 + self.warm * warm / 100).max(1)
    }
}

/// What is kept of an attribute that no rule names.
const OTHER: Kept = Kept::of(500, 3_000);

/// What is kept of an attribute. The id decides, not the type: it is what connectors and pages agree on.
#[must_use]
pub fn kept(id: &str) -> Kept {
    match id {
        "ecg" | "respiration" => Kept::of(500, 1_000),
        "hr" | "heartrate" | "hrv" => Kept::of(300, 500),
        "imu" | "geolocation" | "eye_blink" => Kept::of(100, 200),
        "accelerometer" | "gyroscope" => Kept::of(100, 0),
        "quaternion" | "euler" | "heading" | "orientation" | "eye_worn" => Kept::of(50, 0),
        "spo2" | "tap" | "temperature" | "humidity" | "pressure" | "gas" | "air_quality" | "color" | "battery"
        | "button" | "led" | "speaker" | "microphone" | "body_location" | "rich_presence" | "steps" => Kept::of(20, 0),
        "eye_gaze" | "eye_aperture" => Kept::of(200, 300),
        _ if ["skeleton", "pose", "depth"].iter().any(|part| id.contains(part)) => Kept::of(1, 0),
        _ => OTHER,
    }
}

/// Whether readers get every sample of an attribute; of the others they get the latest.
#[must_use]
pub fn every_sample(id: &str) -> bool {
    matches!(id, "ecg" | "respiration" | "button" | "buttons")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_decides_how_much_is_kept() {
        assert_eq!(kept("ecg"), Kept::of(500, 1_000));
        assert_eq!(kept("body_pose_2d"), Kept::of(1, 0));
        assert_eq!(kept("magnetometer"), Kept::of(500, 3_000));
        assert_eq!(kept("ecg").under(LoadLevel::Critical), 150);
        assert_eq!(kept("skeleton").under(LoadLevel::Critical), 1);
    }
}
