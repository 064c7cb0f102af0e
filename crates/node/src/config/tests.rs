//! The example parses to what it says; mistakes are named with their place.

use super::*;

fn vars(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn refused(text: &str) -> String {
    Config::parse(text, "node.toml", vars(&[])).unwrap_err().to_string()
}

#[test]
fn nothing_means_a_sensible_default() {
    let config = Config::parse("", "<text>", vars(&[("HOME", "/")])).unwrap();
    assert_eq!(config, Config::default());
    let options = config.options().unwrap();
    assert_eq!(options.endpoints, Endpoints::of(Region::Global));
    assert_eq!(options.wants.len(), 1);
    assert_eq!(options.wants[0].instruments.len() * options.wants[0].channels.len(), 12);
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

#[test]
fn the_example_holds_every_key_and_the_defaults() {
    let text = include_str!("../../config.example.toml");
    let config = Config::parse(text, "config.example.toml", vars(&[])).unwrap();
    assert_eq!(config, Config::default());
    // Keys that have no default are there as comments; they parse when uncommented.
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|l| is_setting(l)).unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut config = Config::parse(&all, "config.example.toml", vars(&[])).unwrap();
    assert!(config.venue.url.is_some() && config.venue.ca_file.is_some());
    assert!(config.venue.rest_url.is_some() && config.venue.business_url.is_some());
    assert_eq!(config.venue.credentials.take(), Some(PathBuf::from("okx.toml")));
    assert!(config.venue.second_proxy.is_some());
    config.venue.lines = 2;
    config.options().unwrap();
}

#[test]
fn mistakes_are_shown_with_their_line() {
    let text = refused("[venue]\nregion = \"global\"\nregoin = \"us\"\n");
    assert!(text.contains("node.toml") && text.contains("line 3"), "{text}");
    assert!(text.contains("regoin") && text.contains('^'), "{text}");
    let text = refused("[books]\nview_depth = -1\n");
    assert!(text.contains("line 2"), "{text}");
    let text = refused("[output]\noverflow = \"maybe\"\n");
    assert!(text.contains("wait") && text.contains("drop"), "{text}");
    let text = refused("subscribe = [");
    assert!(text.contains("line 1"), "{text}");
    let text = refused("[[subscribe]]\ninstruments = [\"BTC-USDT\"]\n");
    assert!(text.contains("channels"), "{text}");
}

#[test]
fn a_region_or_address_that_is_none_names_its_key() {
    let config = Config::parse("[venue]\nregion = \"mars\"\n", "<text>", vars(&[])).unwrap();
    let text = config.options().unwrap_err().to_string();
    assert!(text.contains("venue.region") && text.contains("mars"), "{text}");
    let config = Config::parse("[venue]\nurl = \"nowhere\"\n", "<text>", vars(&[])).unwrap();
    assert!(config.options().unwrap_err().to_string().contains("venue.url"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[venue]\nregion = \"us\"\n[[subscribe]]\ninstruments=[\"A\"]\nchannels=[\"b\"]\n";
    let set = vars(&[
        ("MARKET_DATA_VENUE_REGION", "eea"),
        ("MARKET_DATA_SUBSCRIBE_INSTRUMENTS", "BTC-USDT, ETH-USDT"),
        ("MARKET_DATA_BOOKS_VIEW_DEPTH", "5"),
        ("MARKET_DATA_BOOKS_DELTAS", "true"),
        ("MARKET_DATA_OUTPUT_OVERFLOW", "drop"),
        ("MARKET_DATA_OUTPUT_SINKS", "stdout,out.ndjson"),
        ("MARKET_DATA_LOG_LEVEL", "debug"),
        ("MARKET_DATA_VENUE_PROXY", "none"),
    ]);
    let config = Config::parse(file, "<text>", set).unwrap();
    assert_eq!(config.venue.region, "eea");
    assert_eq!(config.subscribe[0].instruments, ["BTC-USDT", "ETH-USDT"]);
    assert_eq!(config.subscribe[0].channels, ["b"]);
    assert_eq!((config.books.view_depth, config.books.deltas), (5, true));
    assert_eq!(config.output.overflow, OverflowRule::Drop);
    assert_eq!(config.output.sinks, ["stdout", "out.ndjson"]);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.options().unwrap().proxy, ProxySetting::None);
}

#[test]
fn odd_variables_are_refused_by_name() {
    for (name, value) in [
        ("MARKET_DATA_VENUE_REGOIN", "us"),
        ("MARKET_DATA_OUTPUT_QUEUE", "many"),
        ("MARKET_DATA_BOOKS_DELTAS", "perhaps"),
    ] {
        let error = Config::parse("", "<text>", vars(&[(name, value)])).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let texts = [
        "[venue]\nsecret = \"hush\"\n",
        "[venue]\npassphrase = \"hush\"\n",
        "[venue]\napi_key = \"hush\"\n",
        "passphrase = hush\n",
    ];
    for text in texts {
        let words = refused(text);
        assert!(!words.contains("hush") && words.contains("file of their own"), "{words}");
    }
    for name in ["MARKET_DATA_VENUE_SECRET", "MARKET_DATA_API_KEY", "MARKET_DATA_PASSPHRASE"] {
        let error = Config::parse("", "<text>", vars(&[(name, "hush")])).unwrap_err();
        let words = format!("{error} {error:?}");
        assert!(words.contains(name) && !words.contains("hush"), "{words}");
    }
}

#[test]
fn the_file_of_credentials_is_read_and_the_environment_can_name_it() {
    // What OKX's names of the environment say is not ours to refuse.
    let config = Config::parse("", "<text>", vars(&[("OKX_API_KEY", "k")])).unwrap();
    assert_eq!(config.options().unwrap().credentials, None);
    let name = ("MARKET_DATA_VENUE_CREDENTIALS", "/nowhere/okx.toml");
    let config = Config::parse("", "<text>", vars(&[name])).unwrap();
    let words = config.options().unwrap_err().to_string();
    assert!(words.contains("/nowhere/okx.toml"), "{words}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/node.toml"))).unwrap_err().to_string();
    assert!(error.contains("/nowhere/node.toml"), "{error}");
    let mut config = Config::default();
    config.output.sinks = vec!["/nowhere/out.ndjson".to_owned()];
    let error = config.sinks().err().map(|e| e.to_string()).unwrap();
    assert!(error.contains("/nowhere/out.ndjson"), "{error}");
}

#[test]
fn a_time_has_a_unit() {
    let anchors = |text: &str| {
        let text = format!("[tape]\nanchors = {text:?}\n");
        Config::parse(&text, "node.toml", vars(&[])).map(|config| config.tape.anchors.as_secs())
    };
    for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), (" 2h ", 7200)] {
        assert_eq!(anchors(text).unwrap(), seconds, "{text}");
    }
    for text in
        ["", "10", "m", "-1s", "1.5h", "1d", "99999999999999999999s", "9999999999999999999h"]
    {
        let error = anchors(text).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("10m"), "{text}: {error}");
    }
    let config = Config::parse("", "<text>", vars(&[("MARKET_DATA_TAPE_ANCHORS", "5m")])).unwrap();
    assert_eq!(config.options().unwrap().tape.unwrap().anchors.as_secs(), 300);
}

#[test]
fn witnesses_are_asked_as_often_as_the_venue_allows_or_never() {
    let parse = |seconds: u64| {
        let text = format!("[venue]\nwitness_seconds = {seconds}\n");
        Config::parse(&text, "node.toml", vars(&[])).unwrap().options()
    };
    for seconds in [0, 5, 3600] {
        assert_eq!(parse(seconds).unwrap().witness.as_secs(), seconds);
    }
    let words = parse(4).unwrap_err().to_string();
    assert!(words.contains("venue.witness_seconds") && words.contains("at least 5"), "{words}");
    let config = Config::parse("", "x", vars(&[("MARKET_DATA_VENUE_WITNESS_SECONDS", "60")]));
    assert_eq!(config.unwrap().options().unwrap().witness.as_secs(), 60);
}

#[test]
fn a_least_turnover_is_an_exact_number_or_refused() {
    let parse = |value: &str| {
        let file = format!(
            "[[subscribe]]\ninstruments=[\"*-USDT\"]\nchannels=[\"trades\"]\nmin_turnover_24h={value}\n"
        );
        Config::parse(&file, "x", []).map_err(|e| e.to_string())
    };
    let options = |value: &str| parse(value)?.options().map_err(|e| e.to_string());
    let min = options("\"5000000.10\"").unwrap().wants[0].min_turnover_24h.unwrap();
    assert_eq!(min.to_string(), "5000000.10");
    assert_eq!(options("\"5 million\"").unwrap_err().lines().count(), 1);
    assert!(options("\"-1\"").unwrap_err().contains("negative"));
    assert!(parse("5000000.1").is_err(), "a float is none of our numbers");
}
