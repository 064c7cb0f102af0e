//! The page's files are within the program: whoever changes one wants it built anew.

fn main() {
    println!("cargo:rerun-if-changed=ui");
}
