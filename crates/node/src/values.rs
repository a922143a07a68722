//! The last value of each attribute of the sensors on this node: what `get_sensor_state` shows.
//!
//! A measurement is no discovery event. It stays here, on its sensor's node, until somebody asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use sensocto_model::{AttributeId, SensorId, attribute};
use serde::{Deserialize, Serialize};

/// Largest payload of one value in bytes of JSON. A larger one is refused where it comes in.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// One measurement, as its connector sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastValue {
    /// JSON text.
    pub payload: String,
    /// JSON text: any value, by convention milliseconds since 1970.
    pub timestamp: String,
}

/// The last values of one sensor. Whoever writes holds this alone, so sensors do not wait for each other.
#[derive(Debug, Default)]
pub struct SensorValues {
    values: Mutex<Values>,
}

#[derive(Debug, Default)]
struct Values {
    by_attribute: BTreeMap<AttributeId, LastValue>,
    changed_at: Duration,
}

impl SensorValues {
    /// Takes a measurement; `false` when the sensor has as many attributes as it may have and this is another one.
    pub fn set(&self, attribute: &AttributeId, value: LastValue, mono: Duration) -> bool {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.changed_at = mono;
        if let Some(last) = values.by_attribute.get_mut(attribute) {
            *last = value;
            return true;
        }
        let room = values.by_attribute.len() < attribute::ATTRIBUTES_MAX;
        if room {
            values.by_attribute.insert(attribute.clone(), value);
        }
        room
    }

    /// The last values, and when the last one came.
    #[must_use]
    pub fn get(&self) -> (BTreeMap<AttributeId, LastValue>, Duration) {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        (values.by_attribute.clone(), values.changed_at)
    }
}

/// The sensors of this node by id.
#[derive(Debug, Default)]
pub(crate) struct LocalValues {
    sensors: RwLock<HashMap<SensorId, Arc<SensorValues>>>,
}

impl LocalValues {
    pub(crate) fn insert(&self, id: SensorId, values: Arc<SensorValues>) {
        self.sensors.write().unwrap_or_else(PoisonError::into_inner).insert(id, values);
    }

    /// Forgets the values of a sensor, unless a later registration has put its own in their place.
    pub(crate) fn remove(&self, id: &SensorId, values: &Arc<SensorValues>) {
        let mut sensors = self.sensors.write().unwrap_or_else(PoisonError::into_inner);
        if sensors.get(id).is_some_and(|held| Arc::ptr_eq(held, values)) {
            sensors.remove(id);
        }
    }

    pub(crate) fn get(&self, id: &SensorId) -> Option<Arc<SensorValues>> {
        self.sensors.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
