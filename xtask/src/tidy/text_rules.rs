//! Rules for every text file.

use super::violation::Violation;

/// The folders of one machine, in parts: this file is checked too.
const MACHINE_FOLDERS: [&str; 3] = [concat!("/", "root"), concat!("/", "home"), concat!("/", "work")];

pub(super) fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for folder in MACHINE_FOLDERS {
            if names(line, folder) {
                let what = format!("a path of one machine, under {folder}");
                let mend = "use a relative path, $HOME, or a folder that the user names";
                found.push(Violation::new(path, number, what, mend));
            }
        }
    }
    found
}

/// `folder` as the start of an absolute path: not in the middle of another one, nor as part of a longer name.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + folder.len()..).and_then(|after| after.chars().next());
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && !"_-./~}*$)]".contains(c));
        let ends = after.is_none_or(|c| !c.is_alphanumeric() && !"_-.".contains(c));
        starts && ends
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    fn count(line: &str) -> usize {
        check("a.md", line).len()
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        assert_eq!(count(concat!("cd /", "root/x")), 1);
        assert_eq!(count(concat!("dir = \"/", "home/me\"")), 1);
        assert_eq!(count(concat!("ls /", "work")), 1);
    }

    #[test]
    fn others_are_not() {
        assert_eq!(
            count("$HOME/root ~/home/x ./work a/work/b /workers /rooted https://example.com/home/x"),
            0
        );
    }
}
