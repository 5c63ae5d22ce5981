#!/usr/bin/env python3
"""What makes Doxygen read the C++ headers and the pages, which are written for people who read them as they stand.

  reference_filter.py FILE              prints a header or page for Doxygen, line by line (FILTER_PATTERNS)
  reference_filter.py --check FILE...   fails on comments that would not appear in the reference, and on links to no file
  reference_filter.py --self-test       that it converts, and finds, what it must

Headers: their // comments become /// and ///<. A comment belongs to the declaration under it, or before it on its line; lines
that go on below it begin in its column. The first comment of a header is about the header. Lines that are indented within a
comment are printed as they stand.

Pages: headings get the anchors by which links find them elsewhere, links to files that are not pages become their text, and
images are looked for by their names alone (IMAGE_PATH).
"""
import os
import re
import sys
import tempfile

# What needs no words of its own, because it says the same of every class.
COMMON = [
    (re.compile(r"^(virtual )?~\w+\(\)"), "Gives back what it owns."),
    (re.compile(r"^(\w+)\(\1&&"), "Takes over what the other one owns, which may then only be assigned to or destroyed."),
    (re.compile(r"^(\w+)& operator=\(\1&&"), "Gives back what it owns and takes over what the other one does."),
    (re.compile(r"^(friend )?bool operator==\(.*= default;"), "Whether all members are equal."),
]
# A scope whose members are documented; any other brace opens a body or a value.
SCOPE = re.compile(r"^(template <.*> )?(namespace|struct|class|union|enum|enum class|extern \"C\")\b(?!.*\()")
# Code that a comment cannot be about.
NO_DECLARATION = re.compile(r"^(#|\}|(public|protected|private):)")
FORWARD_DECLARATION = re.compile(r"^(struct|class) \w+;")


def split_comment(line):
    """The code of a line, and the column at which its // comment begins, or None."""
    quote = None
    i = 0
    while i < len(line):
        c = line[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = None
        elif c == '"' or (c == "'" and not (i > 0 and line[i - 1].isalnum())):  # 1'000 is a number
            quote = c
        elif line.startswith("//", i):
            return line[:i].rstrip(), i
        i += 1
    return line.rstrip(), None


def escape(text):
    """Prose, with what Doxygen or Markdown would take for a command escaped; `code` as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        part = parts[i].replace("&", "&amp;").replace("\\", "\\\\").replace("@", "@@")
        part = part.replace("<", "&lt;").replace(">", "&gt;").replace("#", "\\#").replace("%", "\\%")
        parts[i] = re.sub(r"([\[\]*])", r"\\\1", part)
    line = "".join(parts)
    line = re.sub(r"^(\d+)\. ", r"\1\\. ", line)  # the end of a sentence, not the first of a list
    return re.sub(r"^\+ ", "&#43; ", line)


def comment(texts, column, mark):
    """Consecutive comment lines for Doxygen; mark: "<" for what is about the code before them, "@" for what goes on in a
    comment of C's form, which is open. Indented lines stand between verbatim commands, which must be in a comment of that
    form: in the other one Doxygen prints the slashes too."""
    indented = [text.startswith("   ") for text in texts]
    for i in range(1, len(texts) - 1):  # empty lines between indented ones
        if not texts[i].strip() and indented[i - 1]:
            following = next((j for j in range(i, len(texts)) if texts[j].strip()), None)
            indented[i] = following is not None and indented[following]
    lines = [text[1:] if text.startswith(" ") else text for text in texts]
    lines = [line if stands else escape(line) for line, stands in zip(lines, indented)]
    if not any(indented) and mark != "@":
        return [" " * column + f"///{mark} {line}" for line in lines]
    for i, stands in enumerate(indented):
        if stands and (i == 0 or not indented[i - 1]):
            if i == 0:
                lines[0] = "@verbatim " + lines[0]
            else:
                lines[i - 1] += " @verbatim"
        if stands and (i + 1 == len(lines) or not indented[i + 1]):
            lines[i] += " @endverbatim"
    lines = [line.replace("*/", "* /") for line in lines]
    if mark != "@":
        lines[0] = " " * column + f"/**{mark} {lines[0]}"
    lines[-1] += " */"
    return lines


def convert(source):
    """The lines for Doxygen, one for each line of the source, and [(line number, what is wrong)]."""
    lines = source.split("\n")
    out = list(lines)
    problems = []
    scopes = []  # of each open brace, whether its members are documented
    statement = ""  # of the code since the last ; { or }
    is_header_described = has_comment = False
    i = 0
    while i < len(lines):
        code, column = split_comment(lines[i])
        if column is not None and not code and all(scopes):
            begin = i
            while i < len(lines) and split_comment(lines[i])[0] == "" and split_comment(lines[i])[1] == column:
                i += 1
            texts = [line[column + 2:] for line in lines[begin:i]]
            following = lines[i].strip() if i < len(lines) else ""
            about_header = not is_header_described and begin > 0 and not lines[begin - 1].strip() and not following
            if about_header:
                is_header_described = True
                out[begin - 1] = "/** @file"  # one comment with what follows
            elif not following or NO_DECLARATION.match(following):
                problems.append((begin + 1, "a comment that belongs to no declaration: expected one right below it"))
                continue
            out[begin:i] = comment(texts, column, "@" if about_header else "")
            has_comment = not about_header
            continue
        documented = all(scopes)
        if not lines[i].strip():
            has_comment = False
        begins = statement == ""
        stripped = code.strip()
        if documented and begins and stripped and not NO_DECLARATION.match(stripped):
            for pattern, words in COMMON:
                if pattern.match(stripped) and column is None and not has_comment:
                    out[i] = lines[i][: len(lines[i]) - len(lines[i].lstrip())] + f"/** {words} */ " + stripped
        if column is not None and documented:
            if code.endswith("{"):
                problems.append((i + 1, "a comment behind an opening brace: expected it above the declaration"))
            elif not NO_DECLARATION.match(stripped) and not FORWARD_DECLARATION.match(stripped):
                begin = i
                while i + 1 < len(lines) and split_comment(lines[i + 1]) == ("", column):
                    i += 1
                texts = comment([line[column + 2:] for line in lines[begin : i + 1]], column, "<")
                out[begin : i + 1] = [code.ljust(column) + texts[0].lstrip()] + texts[1:]
        if not stripped.startswith("#"):
            for piece in re.findall(r"[{};]|[^{};]+", re.sub(r'"[^"]*"', '""', stripped)):
                if piece == "{":
                    scopes.append(bool(SCOPE.match(statement.strip())))
                    statement = ""
                elif piece == "}":
                    if scopes:
                        scopes.pop()
                    statement = ""
                elif piece == ";":
                    statement = ""
                elif not re.fullmatch(r"\s*(public|protected|private):\s*", piece):
                    statement += piece + " "
            if not statement.strip():
                statement = ""
        if stripped:
            has_comment = False
        i += 1
    if not is_header_described:
        problems.append((1, "no comment about the header: expected one between #pragma once and the first #include"))
    return "\n".join(out), problems


def anchor(page, heading):
    """The name, unique in the reference, of what is #heading on the page."""
    return f"{page}-{heading}"


def convert_page(source, path):
    """A page for Doxygen, with as many lines as it has, and [(line number, what is wrong)]."""
    folder, page = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]

    out, prose, problems = [], [], []

    def link(match, first_line, text_before):
        is_image, text, target = match.groups()
        file, _, heading = target.partition("#")
        if re.match(r"https?:", target):
            return match.group(0)
        if file and not os.path.exists(os.path.join(folder, file)):
            problems.append((first_line + text_before.count("\n"), f"a link to {file}, which is not there"))
        if is_image:
            return f"![{text}]({os.path.basename(file)})"
        if file and not (file.endswith(".md") and "/" not in file):
            return text
        breaks = "".join(re.findall(r"\s*\n\s*", text))  # go before the link: Doxygen loses its way in one of two lines
        if heading:
            target = f"@ref {anchor(os.path.splitext(file)[0] or page, heading)}"
        return f"{breaks}[{' '.join(text.split())}]({target})"

    def end_of_prose():
        text = "\n".join(prose)
        # A link may have code in its text, so code is set aside, not split off.
        codes = re.findall(r"`[^`]*`", text)
        numbers = iter(range(len(codes)))
        text = re.sub(r"`[^`]*`", lambda match: f"\0{next(numbers)}\0", text)

        def with_code(text):
            return re.sub(r"\0(\d+)\0", lambda match: codes[int(match.group(1))], text)

        first_line = len(out) + 1
        text = with_code(re.sub(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)",
                                lambda match: link(match, first_line, with_code(text[: match.start()])), text))
        out.extend(text.split("\n") if prose else [])
        prose.clear()

    fence = None
    for line in source.split("\n"):
        mark = re.match(r" *(```|~~~)", line)
        if mark and fence in (None, mark.group(1)):
            end_of_prose()
            fence = None if fence else mark.group(1)
            out.append(line)
        elif fence:
            out.append(line)
        else:
            title = re.match(r"##+ +(.*\S)$", line)
            if title:
                slug = re.sub(r"[^\w\- ]", "", title.group(1).lower()).replace(" ", "-")
                line += f" {{#{anchor(page, slug)}}}"
            prose.append(line)
    end_of_prose()
    return "\n".join(out), problems


HEADER = '''#pragma once

// Sums, as formulas:
//   s = a * b
//
//   t = <c>
// and no more.

#include <x>

namespace ragtime {

// What is summed [N] (or not).
enum class Kind : std::uint8_t {
  one,  // 1, a value
        // that goes on
  // two, at 50 %
  two,
};

struct Later;  // is no concern

// A sum & more.
class Sum {
 public:
  // Throws Error at once.
  explicit Sum(int n);
  ~Sum();
  Sum(Sum&&) noexcept;
  Sum& operator=(Sum&&) noexcept;
  // Of the class.
  int f() const {
    // Nobody's concern.
    return n;  // nor is this
  }
  int g(const char* text = "// no comment");  // `a[1]`
};

}  // namespace ragtime
'''
CONVERTED = '''#pragma once
/** @file
Sums, as formulas: @verbatim
  s = a * b

  t = <c> @endverbatim
and no more. */

#include <x>

namespace ragtime {

/// What is summed \\[N\\] (or not).
enum class Kind : std::uint8_t {
  one,  ///< 1, a value
        ///< that goes on
  /// two, at 50 \\%
  two,
};

struct Later;  // is no concern

/// A sum &amp; more.
class Sum {
 public:
  /// Throws Error at once.
  explicit Sum(int n);
  /** Gives back what it owns. */ ~Sum();
  /** Takes over what the other one owns, which may then only be assigned to or destroyed. */ Sum(Sum&&) noexcept;
  /** Gives back what it owns and takes over what the other one does. */ Sum& operator=(Sum&&) noexcept;
  /// Of the class.
  int f() const {
    // Nobody's concern.
    return n;  // nor is this
  }
  int g(const char* text = "// no comment");  ///< `a[1]`
};

}  // namespace ragtime
'''
PAGE = '''# Title

See [here](#what-it-saves), [`there`](other.md#a), [all
of it](other.md), [the code](code/x.py), `[a](b)`, `over
lines`

## What it saves, `n`?

```
# [f](int n)
```
![Drawing](code/x.svg) [far](https://example.org/#a)
'''
CONVERTED_PAGE = '''# Title

See [here](@ref page-what-it-saves), [`there`](@ref other-a),\x20
[all of it](other.md), the code, `[a](b)`, `over
lines`

## What it saves, `n`? {#page-what-it-saves-n}

```
# [f](int n)
```
![Drawing](x.svg) [far](https://example.org/#a)
'''


def self_test():
    def expect(what, got, wanted):
        if got != wanted:
            sys.exit(f"reference_filter.py: {what}: expected\n{wanted}\ngot\n{got}")

    converted, problems = convert(HEADER)
    expect("a header", [line.rstrip() for line in converted.split("\n")], CONVERTED.split("\n"))
    expect("a header without faults", problems, [])
    start = "#pragma once\n\n// About it.\n\nnamespace n {\n"
    expect("a comment above nothing", [n for n, _ in convert(start + "// Lost.\n\nint a;\n}")[1]], [6])
    expect("a comment above an end", [n for n, _ in convert(start + "struct S {\n  int a;\n  // Lost.\n};\n}")[1]], [8])
    expect("a comment behind a brace", [n for n, _ in convert(start + "struct S {  // Lost.\n};\n}")[1]], [6])
    expect("a header without a word", [n for n, _ in convert("#pragma once\n\nint a;\n")[1]], [1])
    expect("the end of a sentence", escape("0. A row"), "0\\. A row")
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "code"))
        for name in ["other.md", "code/x.py", "code/x.svg"]:
            open(os.path.join(folder, name), "w", encoding="utf-8").close()
        expect("a page", convert_page(PAGE, os.path.join(folder, "page.md")), (CONVERTED_PAGE, []))
        os.remove(os.path.join(folder, "code/x.svg"))
        expect("a link to nothing", [n for n, _ in convert_page(PAGE, os.path.join(folder, "page.md"))[1]], [12])
    print("reference_filter.py converts what it must, and finds what would get lost.")


def for_doxygen(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return convert_page(text, path) if path.endswith(".md") else convert(text)


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
    elif len(arguments) > 1 and arguments[0] == "--check":
        found = [f"{path}:{line}: error: {what}" for path in arguments[1:] for line, what in for_doxygen(path)[1]]
        if found:
            sys.exit("\n".join(found))
    elif len(arguments) == 1 and not arguments[0].startswith("--"):
        sys.stdout.write(for_doxygen(arguments[0])[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
