"""The two texts of a case folder: how to verify it with public tools, and what it proves, in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Template

from unheld_verify import note
from unheld_verify.note import Key
from unheld_verify.promises import Broken
from unheld_verify.words import one_line

_HOW = Template("""\
HOW TO VERIFY THIS FOLDER

You need the public key of the log. It is said to be

  $vkey

but a key that is found beside a proof proves nothing: get it from somebody you trust, and compare. If theirs is
another, stop: with the key above, this folder would only be shown to agree with itself.
Open a terminal in the folder that holds bagit.txt. Lines that begin with four spaces are commands.

1. All at once, offline. Install the Python package unheld-verify, then:

    unheld-verify --log-key '$vkey' .

2. That no file was changed or is missing, with the tools of any Unix:

    sha256sum -c manifest-sha256.txt
    sha256sum -c tagmanifest-sha256.txt

   and that none was added, with the Python package bagit:

    bagit.py --validate .

   Whoever changes a file can write these lists anew. Only what follows shows who said what.

3. That the log's key signed the state of the log, with OpenSSL 3 (nothing is written into this folder):

    work=$$(mktemp -d)
    sed '/^$$/,$$d' data/log/checkpoint > "$$work/text"
    sed -n 's/^— $name //p' data/log/checkpoint | base64 -d | tail -c 64 > "$$work/signature"
    printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000' > "$$work/key"
    printf '%s' '$public' | base64 -d | tail -c 32 >> "$$work/key"
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$$work/key" -rawin -in "$$work/text" -sigfile "$$work/signature"

   It prints "Signature Verified Successfully". The text holds the log's name, its size and its root.

4. That the proofs and papers hold, by a second program that shares no line with the first. It is the file
   docs/reader/unheld_proofs.py in the source of unheld, short enough to be read first; it needs Python and the
   package cryptography:

    python3 unheld_proofs.py '$vkey' data/proofs/* $papers

5. Without a terminal: open data/receipt.html in a browser and choose a file of data/proofs. It needs no network.
   A stranger's page can say anything; the same page comes with unheld.
""")


def how_to_verify(key: Key, *, papers: bool) -> str:
    """The text for this log's key."""
    public = note.format_key(key).split("+", 2)[2]
    name = for_sed(key)
    return _HOW.substitute(
        vkey=note.format_key(key), public=public, name=name, papers="data/papers/*" if papers else ""
    )


def for_sed(key: Key) -> str:
    """The log's name as a command writes it: to sed, a sign in brackets means itself."""
    return re.sub(r"([^A-Za-z0-9-])", r"[\1]", key.name)


def what_this_proves(
    proofs: Mapping[str, str], papers: Mapping[str, str], broken: Iterable[Broken], not_proven: Iterable[str]
) -> str:
    """What every proof and paper says, what promises were broken, and what none of it proves."""
    lines = [
        "WHAT THIS FOLDER PROVES",
        "",
        "Each of these holds by the log's key alone; check it as HOW-TO-VERIFY.txt says.",
    ]
    for path, said in [*sorted(proofs.items()), *sorted(papers.items())]:
        lines += ["", path, f"  {one_line(said)}"]
    lines += ["", *(f"FINDING: {one_line(found.words)}" for found in broken)]
    lines += ["", "WHAT IT DOES NOT PROVE", "", *(f"- {line}" for line in not_proven)]
    lines += ["- Letters, tables and texts in it are as they were put in; nothing shows that what they say is true."]
    return "\n".join(lines) + "\n"
