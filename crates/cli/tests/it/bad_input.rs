//! What people type wrongly: exit code 2, nothing on stdout, one clear line, and advice.

use crate::run::{Ran, command, fails, file, run};
use std::net::TcpListener;

/// Asserts a refusal by the argument parser, whose first line is ours.
#[track_caller]
fn refused(args: &[&str], first_line: &str) {
    let ran = run(args);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", args.join(" "));
    assert_eq!(ran.stderr.lines().next(), Some(first_line), "{}", args.join(" "));
}

#[test]
fn unknown_and_ambiguous_instruments_are_named_with_candidates() {
    fails(
        &["watch", "BTC-UDST", "--sim"],
        "error: unknown instrument \"BTC-UDST\"; did you mean BTC-USDT?\n",
    );
    fails(
        &["watch", "ZZZ-*", "--sim"],
        "error: no instrument fits \"ZZZ-*\"; ids look like BTC-USDT, BTC-USDT-SWAP\n",
    );
}

#[test]
fn an_unknown_channel_is_named_with_suggestions() {
    fails(
        &["watch", "BTC-USDT", "--channels", "tickers,trads", "--sim"],
        "error: unknown channel \"trads\"; did you mean trades?\n",
    );
}

#[test]
fn bad_settings_show_line_and_caret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = file(&folder, "bad.toml", "[venue]\nregoin = \"us\"\n");
    let ran = run(&["run", "--config", &path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        lines[0],
        format!("error: cannot use the settings {path}: TOML parse error at line 2, column 1")
    );
    assert!(lines.iter().any(|line| line.ends_with("^^^^^^")), "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown field `regoin`"), "{}", ran.stderr);
    assert_eq!(lines.last(), Some(&"hint: `market-data run --help` shows a settings file"));
}

#[test]
fn a_variable_that_is_no_setting_is_refused() {
    let mut command = command(&["run", "--dry-run"]);
    let output = command.env("MARKET_DATA_VENUE_REGOIN", "us").output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.starts_with("error: cannot use MARKET_DATA_VENUE_REGOIN=\"us\": "), "{stderr}");
}

#[test]
fn a_port_in_use_is_said_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    fails(
        &["sim", "--listen", &address],
        &format!(
            "error: cannot listen on {address}: the port is in use\n\nhint: choose another port \
             with --listen, or let the system choose: --listen 127.0.0.1:0\n"
        ),
    );
}

#[test]
fn nobody_there_and_a_refusing_proxy_are_one_line_with_a_hint() {
    // A port that was free a moment ago: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it has an address").to_string();
    drop(free);
    let hint = "hint: check the network and the proxy (HTTPS_PROXY, --proxy); --sim needs no \
                network, --url and --region choose other addresses";
    let base = format!("ws://{address}");
    let proxy = format!("http://{address}");
    let cases: [(&[&str], String); 2] = [
        (&["watch", "BTC-USDT", "--url", &base], format!("http://{address}/api/v5/public/")),
        (&["watch", "BTC-USDT", "--proxy", &proxy], format!("the proxy {proxy} did not reach")),
    ];
    for (args, part) in cases {
        let Ran { code, stdout, stderr } = run(args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{stderr}");
        assert!(lines[0].starts_with("error: cannot load the instruments from "), "{stderr}");
        assert!(lines[0].contains(&part), "{stderr}");
        assert_eq!(lines[1..], ["", hint]);
    }
}

#[test]
fn wrong_addresses_and_proxies_say_what_they_should_look_like() {
    fails(
        &["watch", "BTC-USDT", "--url", "nowhere"],
        "error: cannot use the address \"nowhere\": it must start with ws:// or wss:// or http:// \
         or https://, for example ws://nowhere\n\nhint: addresses look like ws://127.0.0.1:9443 \
         (one for all) or wss://host/ws/v5/public\n",
    );
    let ran = run(&["watch", "BTC-USDT", "--proxy", "socks4://127.0.0.1:1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: cannot use the proxy socks4://127.0.0.1:1"));
    assert!(ran.stderr.contains("\n\nhint: proxies look like "), "{}", ran.stderr);
}

#[test]
fn bad_values_of_flags_say_what_would_do() {
    refused(
        &["watch", "BTC-USDT", "--for", "5"],
        "error: invalid value '5' for '--for <TIME>': no such unit of time; write whole numbers \
         with a unit, such as 500ms, 30s, 5m or 1h30m",
    );
    refused(
        &["watch", "BTC-USDT", "--region", "mars"],
        "error: invalid value 'mars' for '--region <REGION>': unknown region \"mars\"; use one \
         of: global, demo, eea, eea-demo, us, us-demo",
    );
    refused(
        &["sim", "--listen", "9443"],
        "error: invalid value '9443' for '--listen <ADDR>': not an address and a port, such as \
         127.0.0.1:9443",
    );
    let ran = run(&["check", "--sim", "--sim-faults", "rain"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no such fault profile; there are none, drop, "), "{}", ran.stderr);
    let ran = run(&["watch", "BTC-USDT", "--log-level", "loud"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("write error, warn, info, debug or trace"), "{}", ran.stderr);
}
