#!/usr/bin/env python3
"""Fails where the reference has nothing to say.

  reference_complete.py XML          Doxygen's XML of the headers: a public name without a comment, enumerators too, which Doxygen
                                     passes over, and a parameter of a C++ function that the function's comment does not name
  reference_complete.py --self-test  that it finds each
"""
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree


def words_of(element):
    return "".join(element.itertext()) if element is not None else ""


# A parameter of one of these types needs no words: its type is documented. void, numbers, strings and arrays are not.
PLAIN = re.compile(r"\b(void|bool|char|int|float|double|u?int(8|16|32|64)_t|size_t|string|string_view|path|span|vector|T)\b")


def missing_words(folder):
    """[(file, line, what is missing)] in Doxygen's XML."""
    missing = set()

    def text_of(element):
        return (words_of(element.find("briefdescription")) + " " + words_of(element.find("detaileddescription"))).strip()

    for name in sorted(os.listdir(folder)):
        if not re.match(r"(namespace|class|struct|union|\w+_8h(pp)?).*\.xml$", name):
            continue
        for compound in ElementTree.parse(os.path.join(folder, name)).iter("compounddef"):
            location = compound.find("location")
            if compound.get("kind") in ("class", "struct", "union") and not text_of(compound):
                missing.add((location.get("file"), int(location.get("line")),
                             f"{compound.findtext('compoundname')} has no comment"))
            for member in compound.iter("memberdef"):
                if member.get("prot") != "public":
                    continue
                location = member.find("location")
                place = location.get("file"), int(location.get("line"))
                text = text_of(member)
                if not text:
                    missing.add((*place, f"{member.findtext('name')} has no comment"))
                for value in member.iter("enumvalue"):
                    if not text_of(value):
                        missing.add((*place, f"{value.findtext('name')} of {member.findtext('name')} has no comment"))
                if member.get("kind") != "function" or place[0].endswith(".h"):
                    continue
                for parameter in member.iter("param"):
                    declared = parameter.findtext("declname")
                    if not declared or not PLAIN.search(words_of(parameter.find("type"))):
                        continue
                    if text and not re.search(rf"\b{re.escape(declared)}\b", text):
                        missing.add((*place, f"the comment of {member.findtext('name')} does not name its parameter {declared}"))
    return sorted(missing)


XML = '''<doxygen><compounddef kind="struct"><compoundname>S</compoundname><location file="a.hpp" line="3"/>
<briefdescription>%s</briefdescription><memberdef kind="function" prot="%s"><name>f</name>
<param><type>%s</type><declname>lengths</declname></param><briefdescription/><detaileddescription><para>%s</para></detaileddescription>
<location file="a.hpp" line="7"/></memberdef><memberdef kind="enum" prot="public"><name>E</name>
<enumvalue><name>one</name><briefdescription>%s</briefdescription></enumvalue><detaileddescription>An enum.</detaileddescription>
<location file="a.hpp" line="9"/></memberdef></compounddef></doxygen>'''


def self_test():
    unnamed = "the comment of f does not name its parameter lengths"
    for struct, protection, kind, text, value, wanted in [
        ("A struct.", "public", "const std::int32_t *", "lengths [B].", "A value.", []),
        ("A struct.", "public", "const std::int32_t *", "length of each", "A value.", [("a.hpp", 7, unnamed)]),
        ("A struct.", "private", "const std::int32_t *", "", "A value.", []),
        ("A struct.", "public", "const LstmForward &", "Runs.", "A value.", []),
        ("A struct.", "public", "const LstmForward &", "", "A value.", [("a.hpp", 7, "f has no comment")]),
        ("A struct.", "public", "const LstmForward &", "Runs.", "", [("a.hpp", 9, "one of E has no comment")]),
        ("", "public", "const LstmForward &", "Runs.", "A value.", [("a.hpp", 3, "S has no comment")]),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "structS.xml"), "w", encoding="utf-8") as file:
                file.write(XML % (struct, protection, kind.replace("&", "&amp;"), text, value))
            got = missing_words(folder)
            if got != wanted:
                sys.exit(f"reference_complete.py: {struct, protection, kind, text, value}: expected {wanted}, got {got}")
    print("reference_complete.py finds what it must, and only that.")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
    elif len(arguments) == 1 and not arguments[0].startswith("--"):
        found = [f"{file}:{line}: error: {what}" for file, line, what in missing_words(arguments[0])]
        if found:
            sys.exit("\n".join(found))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
