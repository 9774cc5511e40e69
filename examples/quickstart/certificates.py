"""A development CA and the server's certificate, by the openssl command; used again while valid."""

import pathlib
import subprocess
import sys

VALID_DAYS = 30
RENEW_BEFORE_S = 24 * 3600
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


class CertificateError(Exception):
    pass


def _openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


def _make(*arguments):
    done = _openssl(*arguments)
    if done.returncode != 0:
        raise CertificateError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def _are_valid(ca, server, key):
    if not key.exists():
        return False
    fresh = (_openssl("x509", "-checkend", RENEW_BEFORE_S, "-noout", "-in", cert) for cert in (ca, server))
    return all(done.returncode == 0 for done in fresh) and _openssl("verify", "-CAfile", ca, server).returncode == 0


def ensure(directory):
    """Makes ca.pem, server.pem and server.key in `directory`. True when they were there already."""
    ca, ca_key, server, key, request = (
        directory / name for name in ("ca.pem", "ca.key", "server.pem", "server.key", "server.csr"))
    if _are_valid(ca, server, key):
        return True
    directory.mkdir(mode=0o700, exist_ok=True)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    # Python 3.13 refuses a root that does not say what its key is for.
    _make("req", "-x509", *new_key, ca_key, "-subj", "/CN=wadi development CA", "-days", VALID_DAYS, "-out", ca,
          "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _make("req", *new_key, key, "-subj", "/CN=localhost", "-addext", NAMES, "-out", request)
    extensions = directory / "server.ext"
    extensions.write_text(NAMES + "\n", encoding="ascii")
    _make("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", VALID_DAYS,
          "-extfile", extensions, "-out", server)
    return False


if __name__ == "__main__":
    ensure(pathlib.Path(sys.argv[1]))
