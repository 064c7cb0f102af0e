//! The `market-data` command as its users see it: exit code, stdout and stderr together.
//!
//! One binary for all tests. Nothing here needs the internet; what talks, talks to the pretend
//! exchange on this machine.

mod anchors;
mod archive;
mod bad_input;
mod convert;
mod cut;
mod damage;
mod decode;
#[cfg(target_os = "linux")]
mod deploy;
mod encrypted;
mod every;
#[cfg(unix)]
mod funding;
mod instruments;
#[cfg(unix)]
mod killed;
mod live;
mod login;
mod past;
mod play;
#[cfg(unix)]
mod reload;
#[cfg(unix)]
mod restart;
mod run;
mod sbe;
#[cfg(unix)]
mod take_over;
mod tape;
#[cfg(all(feature = "top", target_os = "linux"))]
mod top;
#[cfg(feature = "s3")]
mod upload;
