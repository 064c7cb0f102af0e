//! The server end to end: the service against the pretend exchange, real sockets, real clients.

mod desk;
mod http;
mod stream;
