//! A Rust file as tidy sees it: each line as written, and as code without comments and without
//! what stands in its strings.
//!
//! Not a parser: it knows comments, strings, characters and braces, which is enough to measure
//! functions and to look for words.

/// One line.
pub struct Line {
    /// As written.
    pub text: String,
    /// Without comments and the contents of strings.
    pub code: String,
    /// Whether it belongs to a test.
    pub test: bool,
}

/// One function.
pub struct Function {
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// From there to its closing brace.
    pub lines: usize,
}

/// One file.
pub struct Source {
    pub lines: Vec<Line>,
    /// What stood in the strings outside tests.
    pub strings: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    LineComment,
    /// How deep; they nest.
    BlockComment(usize),
    Text,
    /// With so many `#`.
    RawText(usize),
}

impl Source {
    pub fn read(path: &str, text: &str) -> Source {
        let test = path.contains("/tests/") || path.ends_with("/tests.rs");
        let mut reader = Reader::new(text);
        reader.run();
        let mut lines: Vec<Line> = Vec::new();
        for (text, code) in text.lines().zip(reader.code.lines()) {
            lines.push(Line { text: text.to_owned(), code: code.to_owned(), test });
        }
        // By custom the tests are the last thing in a file.
        let start = lines.windows(2).position(|pair| {
            let [at, next] = pair else { return false };
            at.code.trim() == "#[cfg(test)]"
                && next.code.starts_with("mod ")
                && next.code.trim_end().ends_with('{')
        });
        let start = if test { 0 } else { start.unwrap_or(lines.len()) };
        for line in lines.iter_mut().skip(start) {
            line.test = true;
        }
        let strings = reader.strings.into_iter().filter(|(line, _)| *line < start);
        Source { lines, strings: strings.map(|(_, text)| text).collect() }
    }

    /// Every function with a body.
    pub fn functions(&self) -> Vec<Function> {
        let code: Vec<(usize, char)> = self
            .lines
            .iter()
            .enumerate()
            .flat_map(|(line, l)| l.code.chars().chain(['\n']).map(move |c| (line + 1, c)))
            .collect();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(start) = next_fn(&code, at) {
            at = start + 2;
            let name: String = code[at..]
                .iter()
                .map(|(_, c)| *c)
                .skip_while(|c| *c == ' ')
                .take_while(ident)
                .collect();
            if name.is_empty() {
                continue;
            }
            if let Some(end) = body_end(&code, at) {
                let (line, last) = (code[start].0, code[end].0);
                found.push(Function { name, line, lines: last - line + 1 });
            }
        }
        found
    }
}

fn ident(c: &char) -> bool {
    c.is_alphanumeric() || *c == '_'
}

fn next_fn(code: &[(usize, char)], from: usize) -> Option<usize> {
    (from..code.len().saturating_sub(2)).find(|&i| {
        code[i].1 == 'f'
            && code[i + 1].1 == 'n'
            && code[i + 2].1 == ' '
            && (i == 0 || !ident(&code[i - 1].1))
    })
}

/// Where the body that follows ends; `None` for a declaration without one.
fn body_end(code: &[(usize, char)], from: usize) -> Option<usize> {
    let (mut round, mut curly) = (0i32, 0i32);
    for (i, (_, c)) in code.iter().enumerate().skip(from) {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && curly == 0 => return None,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl Reader {
    fn new(text: &str) -> Reader {
        let chars = text.chars().collect();
        Reader { chars, at: 0, line: 0, code: String::new(), strings: Vec::new() }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn run(&mut self) {
        let mut inside = Inside::Code;
        while self.at < self.chars.len() {
            let c = self.peek(0);
            if c == '\n' {
                self.line += 1;
                self.code.push('\n');
                self.at += 1;
                match inside {
                    Inside::LineComment => inside = Inside::Code,
                    Inside::Text | Inside::RawText(_) => self.in_string('\n'),
                    _ => {}
                }
                continue;
            }
            inside = match inside {
                Inside::Code => self.code_char(c),
                Inside::LineComment => self.skip(1, inside),
                Inside::BlockComment(depth) => self.comment_char(c, depth),
                Inside::Text => self.text_char(c),
                Inside::RawText(marks) => self.raw_char(c, marks),
            };
        }
    }

    fn skip(&mut self, count: usize, next: Inside) -> Inside {
        self.at += count;
        next
    }

    fn in_string(&mut self, c: char) {
        if let Some((_, text)) = self.strings.last_mut() {
            text.push(c);
        }
    }

    fn code_char(&mut self, c: char) -> Inside {
        match (c, self.peek(1)) {
            ('/', '/') => return self.skip(2, Inside::LineComment),
            ('/', '*') => return self.skip(2, Inside::BlockComment(1)),
            ('"', _) => {
                self.strings.push((self.line, String::new()));
                self.code.push('"');
                return self.skip(1, Inside::Text);
            }
            ('r', '"' | '#')
                if !self.code.chars().next_back().is_some_and(|b| b != 'b' && ident(&b)) =>
            {
                let marks = self.chars[self.at + 1..].iter().take_while(|c| **c == '#').count();
                if self.peek(1 + marks) == '"' {
                    self.strings.push((self.line, String::new()));
                    self.code.push('"');
                    return self.skip(2 + marks, Inside::RawText(marks));
                }
            }
            ('\'', '\\') => {
                let rest = &self.chars[self.at + 3..];
                let length = rest.iter().position(|c| *c == '\'').unwrap_or(0);
                self.code.push('\'');
                return self.skip(4 + length, Inside::Code);
            }
            ('\'', _) if self.peek(2) == '\'' => {
                self.code.push('\'');
                return self.skip(3, Inside::Code);
            }
            _ => {}
        }
        self.code.push(c);
        self.skip(1, Inside::Code)
    }

    fn comment_char(&mut self, c: char, depth: usize) -> Inside {
        match (c, self.peek(1)) {
            ('/', '*') => self.skip(2, Inside::BlockComment(depth + 1)),
            ('*', '/') if depth == 1 => self.skip(2, Inside::Code),
            ('*', '/') => self.skip(2, Inside::BlockComment(depth - 1)),
            _ => self.skip(1, Inside::BlockComment(depth)),
        }
    }

    fn text_char(&mut self, c: char) -> Inside {
        match c {
            '"' => {
                self.code.push('"');
                self.skip(1, Inside::Code)
            }
            // The escaped character may be a line's end, which the loop counts.
            '\\' if self.peek(1) != '\n' => {
                let escaped = self.peek(1);
                self.in_string(escaped);
                self.skip(2, Inside::Text)
            }
            _ => {
                self.in_string(c);
                self.skip(1, Inside::Text)
            }
        }
    }

    fn raw_char(&mut self, c: char, marks: usize) -> Inside {
        let ends = c == '"' && (1..=marks).all(|ahead| self.peek(ahead) == '#');
        if ends {
            self.code.push('"');
            return self.skip(1 + marks, Inside::Code);
        }
        self.in_string(c);
        self.skip(1, Inside::RawText(marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        let text = "let a = \"fn {\"; // fn b() {\n/* fn /* c */ { */ let d = '{';\n\
                    let e = r#\"fn \"f\" {\"#; fn g<'a>(x: &'a [u8; 2]) -> char {\n'\\''\n}\n";
        let source = Source::read("x.rs", text);
        let code: Vec<&str> = source.lines.iter().map(|l| l.code.as_str()).collect();
        assert_eq!(code[0], "let a = \"\"; ");
        assert_eq!(code[1], " let d = ';");
        assert!(code[2].starts_with("let e = \"\"; fn g"), "{}", code[2]);
        assert_eq!(source.strings, ["fn {", "fn \"f\" {"]);
        let functions = source.functions();
        assert_eq!(functions.len(), 1);
        let g = &functions[0];
        assert_eq!((g.name.as_str(), g.line, g.lines), ("g", 3, 3));
    }

    #[test]
    fn tests_are_told_apart() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\nfn b() { c(\"d\") }\n}\n";
        let source = Source::read("x.rs", text);
        let tests: Vec<bool> = source.lines.iter().map(|l| l.test).collect();
        assert_eq!(tests, [false, true, true, true, true]);
        assert!(source.strings.is_empty());
    }
}
