//! `top` on a terminal: a pseudo terminal of the system, and an emulator that reads what is drawn.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use super::encrypted::Encrypted;
use super::run::{command, fails};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for anything to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the command on it.
struct Desk {
    near: File,
    far: OwnedFd,
    child: Child,
    heard: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    before: Termios,
}

impl Desk {
    fn open(rows: u16, cols: u16, args: &[&str]) -> Desk {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let name = ptsname(&near, Vec::new()).unwrap();
        let far = rustix::fs::open(
            name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let far = far.unwrap();
        tcsetwinsize(&far, size(rows, cols)).unwrap();
        let before = tcgetattr(&far).unwrap();
        // A session of its own, whose terminal this is: so that it hears of another size.
        let whole = command(args);
        let mut setsid = Command::new("setsid");
        setsid.args(["--ctty"]).arg(whole.get_program()).args(args).env_clear();
        for (name, value) in whole.get_envs() {
            setsid.env(name, value.unwrap());
        }
        setsid.env("TERM", "xterm-256color");
        let end = || Stdio::from(far.try_clone().unwrap());
        let child = setsid.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let near = File::from(near);
        let (tell, heard) = channel();
        let mut reader = near.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if tell.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Desk { near, far, child, heard, screen: vt100::Parser::new(rows, cols, 0), before }
    }

    /// Waits until this is seen.
    #[track_caller]
    fn see(&mut self, what: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !what(self.screen.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("not seen in time:\n{}", self.screen.screen().contents()),
            }
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.near.write_all(keys).unwrap();
    }

    /// Presses `q` until it ends. Once may not do: where a change of size and a key come together,
    /// crossterm's reader sees the key only with the next one.
    #[track_caller]
    fn quits(mut self) -> (ExitStatus, String) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.press(b"q");
            let again = Instant::now() + Duration::from_secs(2);
            while Instant::now() < again {
                if self.child.try_wait().unwrap().is_some() {
                    return self.ends();
                }
                if let Ok(bytes) = self.heard.recv_timeout(Duration::from_millis(50)) {
                    self.screen.process(&bytes);
                }
            }
        }
        panic!("it goes on:\n{}", self.screen.screen().contents());
    }

    /// Waits for the end; the terminal must be as it was before.
    #[track_caller]
    fn ends(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.see(|screen| !screen.alternate_screen() && !screen.hide_cursor());
        let after = tcgetattr(&self.far).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        (status, self.screen.screen().contents())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Only where a test has failed is it still there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn size(rows: u16, cols: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }
}

/// A price and its change stand on the line of that instrument.
fn price(screen: &vt100::Screen, inst: &str) -> bool {
    let contents = screen.contents();
    contents.lines().any(|line| line.contains(&format!("{inst} ")) && line.contains(" %"))
}

#[test]
fn it_shows_prices_follows_the_size_and_gives_the_terminal_back() {
    let mut desk = Desk::open(32, 120, &["top", "--sim"]);
    desk.see(|screen| screen.alternate_screen() && screen.hide_cursor());
    desk.see(|screen| price(screen, "BTC-USDT") && price(screen, "ETH-USDT-SWAP"));
    desk.see(|screen| screen.contents().contains("spread"));
    desk.see(|screen| screen.contents().contains("all well"));
    desk.press(b"\x1b[B");
    desk.see(|screen| screen.contents().contains("▌BTC-USDT-SWAP"));
    desk.see(|screen| screen.contents().contains("mark "));
    // Narrow: one panel.
    desk.screen.screen_mut().set_size(14, 44);
    tcsetwinsize(&desk.near, size(14, 44)).unwrap();
    desk.see(|screen| {
        let top = screen.contents();
        top.lines().nth(1).is_some_and(|line| line.starts_with("╭ Instr") && line.ends_with('╮'))
    });
    assert!(!desk.screen.screen().contents().contains("Trades"));
    let (status, left) = desk.quits();
    assert!(status.success(), "{left}");
}

#[test]
fn it_attaches_to_an_encrypted_server_with_a_token() {
    let server = Encrypted::start();
    let url = format!("https://{}", server.authority);
    let args = ["top", &url, "--ca", &server.cert, "--token-file", &server.token_file];
    let mut desk = Desk::open(32, 120, &args);
    desk.see(|screen| price(screen, "BTC-USDT"));
    let (status, left) = desk.quits();
    assert!(status.success(), "{left}");
    // Without the token it says what is wanted, and goes on trying.
    let mut desk = Desk::open(24, 120, &args[..4]);
    desk.see(|screen| screen.contents().contains("it wants a token"));
    let (status, left) = desk.quits();
    assert!(status.success(), "{left}");
}

#[test]
fn a_signal_ends_it_cleanly_and_no_server_is_no_reason_to_end() {
    // Nobody listens there: the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut desk = Desk::open(24, 100, &["top", &format!("127.0.0.1:{port}")]);
    desk.see(|screen| screen.contents().contains("No connection since"));
    desk.see(|screen| screen.contents().contains("trying again in"));
    // setsid has become the command: it is no leader of a group, so it need not fork.
    let told = Command::new("kill").args(["-TERM", &desk.child.id().to_string()]).status();
    assert!(told.unwrap().success());
    let (status, left) = desk.ends();
    assert!(status.success(), "{left}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    fails(
        &["top"],
        "error: `top` needs a terminal on stdin and stdout\n\n\
         hint: `market-data watch` prints lines; `market-data run` serves them to programs\n",
    );
    let mut desk = Desk::open(24, 100, &["top", "ftp://127.0.0.1:1"]);
    let status = desk.child.wait().unwrap();
    desk.see(|screen| screen.contents().contains("neither an http nor an https address"));
    assert_eq!(status.code(), Some(2));
}
