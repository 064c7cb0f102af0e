#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| market_data_fuzz::sbe::run(bytes));
