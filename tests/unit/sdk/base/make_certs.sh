#!/usr/bin/env bash
# make_certs.sh DIR: certificates for tests, good and bad, by the openssl command.
#   ca.pem, other-ca.pem                 two roots
#   server.pem/.key                      by ca, for localhost, 127.0.0.1 and ::1
#   wrong-name.pem, expired.pem, early.pem   by ca, each with its .key
#   client.pem/.key, stranger.pem/.key   CN device-7 by ca; by other-ca
set -euo pipefail
dir=$1
mkdir -p "$dir"
cd "$dir"

make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

make_ca() {
    make_key "$1"
    # Python 3.13 refuses a root that does not say what its key is for.
    openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.pem" \
        -addext 'keyUsage = critical, keyCertSign, cRLSign'
}

# make_cert NAME CA COMMON-NAME DAYS EXTENSION
make_cert() {
    make_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$3" |
        openssl x509 -req -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$4" \
            -extfile <(echo "$5") -out "$1.pem" 2>/dev/null
}

# make_dated NAME CA COMMON-NAME EXTENSION YEAR: a certificate of two days in that year. Of all openssl commands
# only `ca` sets dates both in 3.0 and in 3.5.
make_dated() {
    make_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$3" -out "$1.csr"
    : >"$1.index"
    openssl ca -batch -notext -in "$1.csr" -out "$1.pem" -cert "$2.pem" -keyfile "$2.key" \
        -startdate "$5"0101000000Z -enddate "$5"0103000000Z -extfile <(echo "$4") \
        -config <(printf '%s\n' '[ca]' 'default_ca = dated' '[dated]' "database = $1.index" 'new_certs_dir = .' \
            'default_md = sha256' 'rand_serial = yes' 'policy = any' '[any]' 'commonName = supplied') 2>/dev/null
}

make_ca ca
make_ca other-ca
names='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'
make_cert server ca localhost 30 "$names"
make_cert wrong-name ca elsewhere 30 'subjectAltName=DNS:elsewhere.example'
make_dated expired ca localhost "$names" 2020
make_dated early ca localhost "$names" 2090
make_cert client ca device-7 30 'extendedKeyUsage=clientAuth'
make_cert stranger other-ca device-8 30 'extendedKeyUsage=clientAuth'
