//! REST, the page, and who may come in.

use super::desk::{Desk, ask, bytes, get, token};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use market_data::config::Config;
use market_data_serve::{OptionsError, ServeOptions, bind};
use serde_json::{Value, json};

#[tokio::test]
async fn every_path_answers() {
    let desk = Desk::open().await;
    // Until the first of everything has come; the pretend exchange is quick about it.
    while desk.json("/api/v1/watch").await["watch"].as_array().unwrap().len() < 3
        || get(desk.address, "/api/v1/klines?inst=BTC-USDT", "").await.0 != 200
        || get(desk.address, "/api/v1/trades?inst=BTC-USDT", "").await.0 != 200
    {}
    let lists = [
        ("/api/v1/instruments?q=btc&type=SPOT&limit=5", "instruments"),
        ("/api/v1/watch", "watch"),
        ("/api/v1/trades?inst=BTC-USDT&limit=3", "trades"),
        ("/api/v1/klines?inst=BTC-USDT&interval=1m", "klines"),
        ("/api/v1/tickers?inst=BTC-USDT", "tickers"),
        ("/api/v1/feeds", "feeds"),
    ];
    for (path, name) in lists {
        let list = desk.json(path).await[name].clone();
        assert!(!list.as_array().unwrap().is_empty(), "{path}");
        let (status, head, body) = get(desk.address, path, "Accept: text/csv\r\n").await;
        assert!(status == 200 && head.contains("text/csv"), "{path}: {head}");
        assert_eq!(body.lines().count(), 1 + list.as_array().unwrap().len().max(1), "{path}");
        let arrow = arrow(&desk, path).await;
        assert_eq!(arrow.num_rows(), list.as_array().unwrap().len(), "{path}");
        // Whatever JSON has, Arrow has; one row is enough, as all have the same.
        let (schema, first) = (arrow.schema(), list[0].as_object().unwrap().clone());
        let names: Vec<String> =
            schema.fields().iter().map(|f| f.name().replace('_', "")).collect();
        for key in first.keys().filter(|key| !["v", "type", "exchange"].contains(&key.as_str())) {
            let renamed = match key.as_str() {
                "timestamp" => "tsevent".to_owned(),
                "seqId" => "seq".to_owned(),
                key => key.to_ascii_lowercase(),
            };
            assert!(names.contains(&renamed), "{path}: {key} is not among {names:?}");
        }
    }
    let book = arrow(&desk, "/api/v1/book?inst=BTC-USDT&depth=3").await;
    assert_eq!(
        (book.num_rows(), book.schema().metadata()["market_data.state"].as_str()),
        (6, "live")
    );
    let values = desk.json("/api/v1/values?inst=BTC-USDT-SWAP").await;
    assert_eq!(values["values"]["mark-price"]["channel"], "mark-price");
    assert!(desk.json("/api/v1/gaps").await["gaps"].is_array());
    assert_eq!(desk.json("/healthz").await, json!({"status": "ok"}));
    let row = &desk.json("/api/v1/watch").await["watch"][0];
    assert_eq!(row["instId"], "BTC-USDT");
    assert!(row["last"].is_string() && row["stale"].is_null(), "{row}");
    let newest = desk.json("/api/v1/trades?inst=BTC-USDT&limit=1").await;
    let id = newest["trades"][0]["tradeId"].as_str().unwrap();
    let older = desk.json(&format!("/api/v1/trades?inst=BTC-USDT&before={id}")).await;
    let older = older["trades"].as_array().unwrap().clone();
    assert!(older.iter().all(
        |t| t["tradeId"].as_str().unwrap().parse::<u64>().unwrap() < id.parse::<u64>().unwrap()
    ));
    let (status, head, page) = get(desk.address, "/", "").await;
    assert!(status == 200 && page.contains("<html"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'self'"), "{head}");
    let (status, head, text) = get(desk.address, "/metrics", "").await;
    assert!(status == 200 && head.contains("version=0.0.4"), "{head}");
    assert!(text.contains("okx_messages_received_total{feed=\"1\"}"));
    assert!(text.contains("market_data_serve_requests_total "));
    let document = desk.json("/openapi.json").await;
    assert!(document["paths"].as_object().unwrap().contains_key("/api/v1/book"));
    desk.stop_server().await;
}

/// A path's table in Arrow.
async fn arrow(desk: &Desk, path: &str) -> RecordBatch {
    let accept = "Accept: application/vnd.apache.arrow.stream\r\n";
    let bytes = bytes(desk.address, path, accept).await;
    StreamReader::try_new(&*bytes, None).unwrap().next().unwrap().unwrap()
}

#[tokio::test]
async fn lists_are_paged() {
    let desk = Desk::open().await;
    while desk.json("/api/v1/tickers").await["tickers"].as_array().unwrap().len() < 2
        || desk.json("/api/v1/watch").await["watch"].as_array().unwrap().len() < 3
    {}
    for (path, key) in
        [("instruments?q=USDT&type=SPOT", "instId"), ("tickers?", "instId"), ("watch?", "instId")]
    {
        let name = path.split('?').next().unwrap();
        let all = keys(&desk, &format!("{path}&limit=1000"), name, key).await;
        assert!(all.len() > 1 && all.is_sorted(), "{path}: {all:?}");
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while up.len() < all.len() {
            let after = up.last().map_or(String::new(), |id| format!("&after={id}"));
            up.extend(keys(&desk, &format!("{path}&limit=2{after}"), name, key).await);
        }
        while down.len() < all.len() {
            let before = down.first().map_or("&before=~".to_owned(), |id| format!("&before={id}"));
            let page = keys(&desk, &format!("{path}&limit=2{before}"), name, key).await;
            down.splice(0..0, page);
        }
        assert_eq!((&up, &down), (&all, &all), "{path}");
        for end in [format!("after={}", all[all.len() - 1]), format!("before={}", all[0])] {
            assert!(keys(&desk, &format!("{path}&{end}"), name, key).await.is_empty(), "{path}");
        }
    }
    let feeds = keys(&desk, "feeds?after=0&limit=1", "feeds", "feed").await;
    assert_eq!(feeds, ["1"]);
    assert!(keys(&desk, "feeds?before=1", "feeds", "feed").await.is_empty());
    assert!(keys(&desk, "tickers?to=1", "tickers", "instId").await.is_empty());
    assert!(keys(&desk, "gaps?feed=1&before=1", "gaps", "gap").await.is_empty());
    desk.stop_server().await;
}

/// One field of all rows of a list.
async fn keys(desk: &Desk, path: &str, name: &str, key: &str) -> Vec<String> {
    let list = desk.json(&format!("/api/v1/{path}")).await[name].clone();
    let text = |row: &Value| row[key].to_string().trim_matches('"').to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn odd_requests_are_errors_in_words() {
    let desk = Desk::open().await;
    for (path, wanted, code) in [
        ("/nothing", 404, "not_found"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/static/..%2fCargo.toml", 404, "not_found"),
        ("/static/../Cargo.toml", 404, "not_found"),
        ("/static/%2e%2e/Cargo.toml", 404, "not_found"),
        ("/api/v1/book", 400, "bad_query"),
        ("/api/v1/book?inst=none", 404, "not_found"),
        ("/api/v1/book?inst=BTC-USDT&depth=0", 400, "bad_query"),
        ("/api/v1/book?inst=BTC-USDT&depth=999999999999999999999", 400, "bad_query"),
        ("/api/v1/book?inst=BTC-USDT&step=-1", 400, "bad_query"),
        ("/api/v1/book?inst=BTC-USDT&step=0.0", 400, "bad_query"),
        ("/api/v1/book?inst=BTC-USDT&stepp=1", 400, "bad_query"),
        ("/api/v1/trades?inst=none", 404, "not_found"),
        ("/api/v1/trades?inst=BTC-USDT&limit=x", 400, "bad_query"),
        ("/api/v1/klines?inst=BTC-USDT&interval=7m", 404, "not_found"),
        ("/ws", 400, "no_websocket"),
    ] {
        let (status, _, body) = get(desk.address, path, "").await;
        assert_eq!(status, wanted, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], code, "{path}: {body}");
    }
    let post = format!("POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", desk.address);
    assert_eq!(ask(desk.address, &post).await.0, 405);
    let huge = format!("X-Long: {}\r\n", "x".repeat(1 << 20));
    let status = get(desk.address, "/", &huge).await.0;
    assert!(matches!(status, 0 | 431), "{status}");
    assert_eq!(ask(desk.address, "\u{0}\u{1}\u{2}\r\n\r\n").await.0, 400);
    desk.stop_server().await;
}

#[tokio::test]
async fn strangers_stay_out() {
    let desk = Desk::open().await;
    let of = async |more: &str| get(desk.address, "/api/v1/feeds", more).await.0;
    assert_eq!(of("Host: evil.example\r\n").await, 403);
    assert_eq!(of("Host: localhost.evil.example:9870\r\n").await, 403);
    assert_eq!(of("Host: localhost:1\r\n").await, 200);
    assert_eq!(of("Origin: https://evil.example\r\n").await, 403);
    assert_eq!(of("Origin: null\r\n").await, 403);
    assert_eq!(of(&format!("Origin: http://{}\r\n", desk.address)).await, 200);
    desk.stop_server().await;
    let desk = Desk::with(|options| options.token = Some(token())).await;
    let of = async |path: &str, more: &str| get(desk.address, path, more).await.0;
    let (right, wrong) = ("0123456789abcdef0123", "0123456789abcdef0124");
    assert_eq!(of("/api/v1/feeds", "").await, 401);
    assert_eq!(of("/metrics", "").await, 401);
    assert_eq!(of(&format!("/api/v1/feeds?token={wrong}"), "").await, 401);
    assert_eq!(of(&format!("/api/v1/feeds?token={right}"), "").await, 200);
    assert_eq!(of("/api/v1/feeds", &format!("Authorization: Bearer {wrong}\r\n")).await, 401);
    assert_eq!(of("/api/v1/feeds", &format!("Authorization: Bearer {right}\r\n")).await, 200);
    assert_eq!(of("/", "").await, 200);
    assert!(desk.client_at("/ws").await.is_none());
    assert!(desk.client_at(&format!("/ws?token={right}")).await.is_some());
    // As a page shows it: Base64 of the right one, of a wrong one, and of nothing.
    let (right, wrong) = ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM", "MDEyMzQ1Njc4OWFiY2RlZjAxMjQ");
    let (_, taken) = desk.client_with(&format!("market-data, token.{right}")).await.unwrap();
    assert_eq!(taken.as_deref(), Some("market-data"), "the token is not repeated");
    for shown in ["token.", "token.*", "market-data", &format!("token.{wrong}")] {
        assert!(desk.client_with(&format!("market-data, {shown}")).await.is_none(), "{shown}");
    }
    desk.stop_server().await;
}

#[tokio::test]
async fn others_reach_it_only_with_a_token() {
    let settings = |vars: &[(&str, &str)]| {
        let vars = vars.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let config = Config::parse("", "the defaults", vars).unwrap();
        ServeOptions::from_config(&config.serve)
    };
    let open = [("MARKET_DATA_SERVE_ADDRESS", "0.0.0.0:0")];
    let error = settings(&open).unwrap_err();
    assert!(matches!(error, OptionsError::Open { .. }));
    assert!(error.to_string().contains("MARKET_DATA_SERVE_TOKEN"), "{error}");
    let token = ("MARKET_DATA_SERVE_TOKEN", "a-long-enough-token");
    let options = settings(&[open[0], token]).unwrap();
    assert!(!format!("{options:?}").contains(token.1), "{options:?}");
    let short = ("MARKET_DATA_SERVE_TOKEN", "short");
    let error = settings(&[short]).unwrap_err().to_string();
    assert!(!error.contains("short\""), "{error}");
    // A named address that is taken is an error, the usual one gives way.
    let first = ServeOptions { address: ([127, 0, 0, 1], 0).into(), ..ServeOptions::default() };
    let first = bind(&first).await.unwrap();
    let mut second = ServeOptions { address: first.address, ..ServeOptions::default() };
    let moved = bind(&second).await.unwrap();
    assert!(moved.moved && moved.address.port() != first.address.port());
    second.named = true;
    assert!(matches!(bind(&second).await, Err(OptionsError::Listen { .. })));
}
