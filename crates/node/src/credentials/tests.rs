//! Signatures of others, files of every kind, and that nothing is ever shown.

use super::*;

fn three() -> Credentials {
    Credentials::new("k-11", "s-22", "p-33").unwrap()
}

fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("okx.toml");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    (dir, path)
}

#[test]
fn signatures_of_others() {
    // Python 3: b64encode(hmac.new(secret, ts + b"GET/users/self/verify", "sha256").digest()).
    // The last also with `openssl dgst -sha256 -hmac SECRET -binary | base64`.
    let known = [
        ("sim", "1795435203", "Sv0804N68JdQnMZKhsKUuxsIUXBjWHNTnjig9H6fhaE="),
        (&"x".repeat(100), "1538054050", "D6aoDzG+JsQY0Jz9u3MU1grTD+kdyeKkHS1ANXLCDfk="),
        (
            "22582BD0CFF14C41EDBF1AB98506286D",
            "1704876947",
            "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU=",
        ),
    ];
    for (secret, time, wanted) in known {
        assert_eq!(sign(secret, time), wanted);
    }
}

#[test]
fn the_request_is_what_okx_reads() {
    let text = Credentials::new("k", "sim", "p\"\\").unwrap().login(1_795_435_203);
    assert_eq!(
        text,
        r#"{"op":"login","args":[{"apiKey":"k","passphrase":"p\"\\","timestamp":"1795435203","sign":"Sv0804N68JdQnMZKhsKUuxsIUXBjWHNTnjig9H6fhaE="}]}"#
    );
}

#[test]
fn nothing_is_shown() {
    let shown = format!("{:?} {:#?}", three(), Some(three()));
    for secret in ["k-11", "s-22", "p-33"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_file_of_the_owners_alone_is_read() {
    let text = "key = \"k-11\"\nsecret = \"s-22\"\npassphrase = \"p-33\"\n";
    let (_dir, path) = file(text, 0o600);
    assert_eq!(Credentials::from_file(&path).unwrap(), three());
    let (_dir, path) = file(text, 0o400);
    assert_eq!(Credentials::from_file(&path).unwrap(), three());
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused_with_a_way_out() {
    for mode in [0o644, 0o640, 0o604, 0o660] {
        let (_dir, path) = file("key = \"k-11\"\n", mode);
        let words = Credentials::from_file(&path).unwrap_err().to_string();
        assert!(words.contains("others may read") && words.contains("chmod 600"), "{words}");
        assert!(words.contains(&format!("{mode:o}")) && words.contains("okx.toml"), "{words}");
    }
}

#[test]
fn a_bad_file_is_refused_without_its_words() {
    for (text, wanted) in [
        ("", "key is missing"),
        ("key = \"hush\"\nsecret = \"hush\"\n", "passphrase is missing"),
        ("key = 4711\nsecret = \"hush\"\npassphrase = \"hush\"", "key is not a text"),
        ("key = \"\"\nsecret = \"hush\"\npassphrase = \"hush\"", "key is empty"),
        ("key = \"a\\nhush\"\nsecret = \"hush\"\npassphrase = \"hush\"", "line break"),
        ("key = \"hush\"\nhush\n", "not TOML (line 2)"),
        ("key = hush\n", "not TOML (line 1)"),
        ("key = \"hush\"\nkey = \"hush\"\n", "not TOML"),
        ("hush = \"hush\"\n", "key, secret, passphrase and nothing else"),
    ] {
        let (_dir, path) = file(text, 0o600);
        let error = Credentials::from_file(&path).unwrap_err();
        let words = format!("{error} {error:?}");
        assert!(words.contains(wanted) && words.contains("okx.toml"), "{text}: {words}");
        assert!(!words.contains("hush") && !words.contains("4711"), "{text}: {words}");
    }
    let gone = Credentials::from_file(Path::new("/nowhere/okx.toml")).unwrap_err().to_string();
    assert!(gone.contains("/nowhere/okx.toml"), "{gone}");
}

#[test]
fn the_environment_is_taken_whole_or_not_at_all() {
    let of = |set: &[(&str, &str)]| {
        let set: std::collections::BTreeMap<_, _> = set.iter().copied().collect();
        Credentials::from_vars(|name| set.get(name).map(ToString::to_string))
    };
    let [key, secret, passphrase] = ENV;
    assert!(of(&[]).unwrap().is_none() && of(&[(key, "")]).unwrap().is_none());
    let all = [(key, "k-11"), (secret, "s-22"), (passphrase, "p-33")];
    assert_eq!(of(&all).unwrap(), Some(three()));
    for missing in ENV {
        let some: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        let words = of(&some).unwrap_err().to_string();
        assert!(words.contains(missing), "{words}");
        assert!(!words.contains("-11") && !words.contains("-22"), "{words}");
    }
}

#[test]
fn a_passphrase_never_goes_out_in_the_open() {
    for url in [
        "wss://ws.okx.com/ws/v5/public",
        "ws://127.0.0.1:9443/ws",
        "ws://[::1]:1/",
        "ws://localhost",
    ] {
        assert!(may_go_to(url), "{url}");
    }
    for url in
        ["ws://ws.okx.com/ws", "ws://10.0.0.1:80/", "ws://127.0.0.1.evil.example/", "http://x"]
    {
        assert!(!may_go_to(url), "{url}");
    }
}
