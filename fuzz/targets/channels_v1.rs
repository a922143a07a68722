//! Frames of clients in serializer V1.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensocto_channels::Vsn;

#[path = "channels.rs"]
mod channels;

fuzz_target!(|bytes: &[u8]| channels::read(Vsn::V1, bytes));
