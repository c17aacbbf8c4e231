# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Which room may include what. The table is the house's plan; a wall is moved here, with a reason, or not at all."""

import re
from collections.abc import Iterator
from pathlib import Path

from tree import c_files, lines

# Longest matching prefix of the including file's path -> prefixes of headers of this tree it may include.
# "{api}" stands for the API's own files.
ROOMS = {
    "appliance/base/": ["appliance/base/"],
    "appliance/fpe/": ["appliance/fpe/", "appliance/base/"],
    "appliance/audit/": ["appliance/audit/", "appliance/base/"],
    "appliance/metrics/": ["appliance/metrics/", "appliance/base/"],
    "appliance/store/": ["appliance/store/", "appliance/base/"],
    "appliance/tokens/": ["appliance/tokens/", "appliance/base/", "appliance/fpe/", "appliance/store/store.h",
                          "appliance/metrics/"],
    # The composition root sees every room's front door.
    "appliance/": ["appliance/", "config/config.h", "config/reload.h", "pkcs11/hsm.h",
                   "pkcs11/hsm_set.h", "web/"],
    "pkcs11/": ["pkcs11/", "appliance/base/"],
    "config/": ["config/", "appliance/base/"],
    "web/": ["web/", "appliance/base/", "appliance/tokens/", "appliance/metrics/", "appliance/audit/"],
    "web/apis/": ["{api}", "appliance/base/", "appliance/tokens/", "web/http.h", "web/json_raw.h", "web/json_read.h",
                  "web/range.h", "web/router.h"],
    "web/apis/operations": ["{api}", "appliance/base/", "appliance/tokens/", "appliance/metrics/",
                            "appliance/audit/", "web/http.h", "web/json_read.h", "web/router.h",
                            "web/apis/key_admin.h"],
    # The store alone knows the states of generations, without which no key may be destroyed.
    "hsm-setup/": ["hsm-setup/", "appliance/base/", "appliance/fpe/", "appliance/store/store.h",
                   "config/config.h", "pkcs11/hsm.h"],
    "tests/": [""],
}

# What stands behind which wall: header of a library -> prefixes of files that may include it.
LIBRARIES = {
    r"civetweb\.h": ["web/server.c", "web/tls.c"],
    r"(cjson/)?cJSON\.h": ["web/json_read.c"],
    r"sqlite3\.h": ["appliance/store/sqlite.c"],
    r"confuse\.h": ["config/"],
    r"(libp11\.h|p11-kit/.*|pkcs11\.h)": ["pkcs11/"],
    r"openssl/types\.h": ["appliance/base/", "pkcs11/", "web/", "appliance/", "hsm-setup/"],
    r"openssl/.*": ["appliance/base/", "appliance/tokens/", "pkcs11/", "hsm-setup/", "web/server.c", "web/tls.",
                    "web/auth.", "web/openssl3_shim/", "appliance/main.c", "appliance/serve.c",
                    "appliance/appliance.c"],
    r"zlib\.h": ["appliance/base/gzip.c"],
    r"cmocka\.h": [],
}

_INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def _room(path: str) -> str:
    return max((prefix for prefix in ROOMS if path.startswith(prefix)), key=len, default="")


def _api(path: str) -> str:
    """"web/apis/card_tokens.c" -> "web/apis/card_tokens."; "web/apis/transform/x.c" -> "web/apis/transform/"."""
    parts = path.split("/")
    return "/".join(parts[:3]) + "/" if len(parts) > 3 else path.rsplit(".", 1)[0] + "."


def _own_header_allowed(path: str, header: str) -> bool:
    allowed = [_api(path) if prefix == "{api}" else prefix for prefix in ROOMS[_room(path)]]
    return any(header.startswith(prefix) for prefix in allowed)


def _library_allowed(path: str, header: str) -> bool:
    if path.startswith("tests/"):
        return True
    for pattern, allowed in LIBRARIES.items():
        if re.fullmatch(pattern, header):
            return any(path.startswith(prefix) for prefix in allowed)
    return True  # libc


def violations(root: Path) -> Iterator[str]:
    for path in c_files(root):
        if not _room(path):
            yield f"{path}:1: stands in no room"
            continue
        for number, line in enumerate(lines(root, path), 1):
            match = _INCLUDE.match(line)
            if not match:
                continue
            quote, header = match.groups()
            if quote == '"' and not (root / header).is_file():
                yield f'{path}:{number}: "{header}" is not a path from the root of the tree'
            elif quote == '"' and not _own_header_allowed(path, header):
                yield f'{path}:{number}: {_room(path)} may not include "{header}"'
            elif quote == "<" and not _library_allowed(path, header):
                yield f"{path}:{number}: {path} may not include <{header}>"
