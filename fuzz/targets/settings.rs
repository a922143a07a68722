//! Settings files. What is settled is written and read again, and settles the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sensocto_settings::{Layer, Settings};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let path = Path::new("/etc/sensocto/node.toml");
    let layer = match Layer::parse(&text, path) {
        Ok(layer) => layer,
        Err(problem) => {
            assert!(problem.to_string().contains("node.toml line "), "{problem}");
            return;
        }
    };
    let Ok(settings) = Settings::settle(layer) else { return };
    assert!(settings.http.ip().is_loopback() || settings.signing_key_file.is_some() || settings.open, "{settings:?}");
    let again = Layer::parse(&settings.to_toml(), path).expect("what is written can be read");
    assert_eq!(Settings::settle(again).expect("it was settled before"), settings);
});
