//! A server that is encrypted (`[serve] cert_file`) and wants a token, as `health` and `top` find
//! it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use super::run::{command, run};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// `run --sim` behind a certificate that nobody has vouched for.
pub struct Encrypted {
    child: Child,
    /// Host and port; the certificate is for `localhost`.
    pub authority: String,
    pub cert: String,
    pub token_file: String,
    _folder: tempfile::TempDir,
}

impl Encrypted {
    pub fn start() -> Encrypted {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path: PathBuf = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let cert = put("cert.pem", &made.cert.pem());
        let key = put("key.pem", &made.signing_key.serialize_pem());
        let token_file = put("token", "0123456789abcdef0123\n");
        let settings = format!(
            "[serve]\naddress = \"127.0.0.1:0\"\ncert_file = {cert:?}\nkey_file = {key:?}\n\
             token_file = {token_file:?}\n"
        );
        let settings = put("settings.toml", &settings);
        let args = ["run", "--sim", "--no-tape", "--config", &settings, "--log-format", "json"];
        let mut child =
            command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.by_ref().find_map(|line| {
            let (_, rest) = line.unwrap().split_once("https://127.0.0.1:").map(own)?;
            Some(rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        });
        // Who does not read it would stop it in time.
        std::thread::spawn(move || lines.for_each(drop));
        let authority = format!("localhost:{}", port.unwrap());
        Encrypted { child, authority, cert, token_file, _folder: folder }
    }
}

fn own((before, after): (&str, &str)) -> (String, String) {
    (before.to_owned(), after.to_owned())
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn health_asks_over_tls_and_says_whom_it_does_not_believe() {
    let server = Encrypted::start();
    let https = format!("https://{}", server.authority);
    let ask = |args: &[&str]| {
        let ran = run(&[&["health"], args].concat());
        (ran.code, ran.stdout + &ran.stderr)
    };
    let (code, said) = ask(&[&https, "--ca", &server.cert]);
    assert!(matches!(code, Some(0 | 1)) && said.contains("\"status\""), "{said}");
    let refused = |args: &[&str], why: &str| {
        let (code, said) = ask(args);
        assert!(code == Some(2) && said.contains(why), "{args:?}: {code:?} {said}");
    };
    refused(&[&https], "nobody who is trusted has signed its certificate");
    let by_number = https.replace("localhost", "127.0.0.1");
    refused(&[&by_number, "--ca", &server.cert], "for another name than the address has");
    let plain = format!("http://{}", server.authority);
    refused(&[&plain], "is it an https address?");
    refused(&[&plain, "--ca", &server.cert], "--ca needs an https address");
    refused(&[&https, "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem");
}
