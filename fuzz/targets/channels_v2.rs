//! Frames of clients in serializer V2.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensocto_channels::Vsn;

#[path = "channels.rs"]
mod channels;

fuzz_target!(|bytes: &[u8]| channels::read(Vsn::V2, bytes));
