//! The terminal: taken over, drawn on, listened to, and given back as it was.
//!
//! Invariants: whatever ends the process in an orderly way (an end, an error, a signal that is
//! listened to, a panic) gives it back, once; the thread that reads keys ends with it.

use anyhow::Context as _;
use market_data_top::Key;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;

/// Keys that wait for the loop; who types more at once is not reading.
const KEYS_MAX: usize = 256;
/// How long the reader waits before it looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came from the terminal.
pub enum Pressed {
    Key(Key),
    /// It has another size.
    Resized,
}

/// The terminal while it is ours.
pub struct Terminal {
    screen: ratatui::Terminal<CrosstermBackend<Stdout>>,
    pressed: mpsc::Receiver<Pressed>,
    taken: Arc<Taken>,
}

/// Whether the terminal is ours at the moment.
struct Taken(AtomicBool);

impl Taken {
    /// Gives it back, unless that is done. There is nobody to tell of an error.
    fn give_back(&self) {
        if self.0.swap(false, Relaxed) {
            drop(disable_raw_mode());
            drop(execute!(io::stdout(), LeaveAlternateScreen, Show));
        }
    }
}

impl Terminal {
    /// Takes it over.
    ///
    /// # Errors
    /// When the terminal does not let itself be taken over.
    pub fn open() -> anyhow::Result<Terminal> {
        let what = "cannot take the terminal over";
        enable_raw_mode().context(what)?;
        let taken = Arc::new(Taken(AtomicBool::new(true)));
        let opened = Terminal::enter(&taken).context(what);
        if opened.is_err() {
            taken.give_back();
        }
        opened
    }

    fn enter(taken: &Arc<Taken>) -> io::Result<Terminal> {
        let before = std::panic::take_hook();
        let to_give = Arc::clone(taken);
        // The words about a panic must land on the screen that stays.
        std::panic::set_hook(Box::new(move |info| {
            to_give.give_back();
            before(info);
        }));
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        let screen = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let (press, pressed) = mpsc::channel(KEYS_MAX);
        let wanted = Arc::clone(taken);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            // An error means that the terminal is gone: the channel closes, the loop ends.
            while wanted.0.load(Relaxed) {
                if listen(&press).is_err() {
                    break;
                }
            }
        })?;
        Ok(Terminal { screen, pressed, taken: Arc::clone(taken) })
    }

    /// Draws.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn draw(&mut self, picture: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        // Terminals that know it show the whole change at once.
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.screen.draw(picture)?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// The next key; `None` when the terminal is gone.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn pressed(&mut self) -> Option<Pressed> {
        self.pressed.recv().await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.taken.give_back();
    }
}

/// Reads what comes within a moment.
fn listen(press: &mpsc::Sender<Pressed>) -> io::Result<()> {
    if !event::poll(LOOK_EVERY)? {
        return Ok(());
    }
    let pressed = match event::read()? {
        Event::Resize(..) => Some(Pressed::Resized),
        Event::Key(key) if key.kind != KeyEventKind::Release => known(key).map(Pressed::Key),
        _ => None,
    };
    match pressed.map(|pressed| press.blocking_send(pressed)) {
        Some(Err(_)) => Err(io::Error::other("nobody listens")),
        _ => Ok(()),
    }
}

/// The key, if it is one that anybody here knows.
fn known(key: KeyEvent) -> Option<Key> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        let ends = matches!(key.code, KeyCode::Char('c' | 'd'));
        return ends.then_some(Key::Interrupt);
    }
    Some(match key.code {
        KeyCode::Char(letter) => Key::Letter(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab | KeyCode::Right => Key::Tab,
        KeyCode::BackTab | KeyCode::Left => Key::BackTab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}
