# shellcheck shell=bash
# The dependency cache: libraries that Debian 12 lacks, or has too old, taken from Debian 13 on both
# releases, so that there is one configuration to test. Nothing of the system's is changed: apt runs
# with a private configuration (its own source list, lists and cache), and the result lies in
#
#   $(wadi_cache_dir)/<name>-<version>-<key>/{include,lib}     key: the source's checksum and the recipe
#   $(wadi_cache_dir)/<name>.<recipe>                          symbolic link to the one that this tree uses
#
# The recipe is deps_make_<name> below, the release and the architecture: a warm cache needs no network.
# The directory is safe to delete, and safe to fill from two processes at once: a lock, a build in a
# temporary directory, and a rename at the end.

deps_names=(mbedtls llhttp rdkafka)

deps_recipe() {
    (
        declare -f "deps_make_$1"
        . /etc/os-release
        echo "$ID ${VERSION_ID:-}"
        dpkg --print-architecture
    ) | sha256sum | cut -c1-12
}

deps_prefix() { readlink -e "$(wadi_cache_dir)/$1.$(deps_recipe "$1")"; }

# Prints name=directory for each library; fails when one is missing.
deps_prefixes() {
    local name prefix
    for name in "${deps_names[@]}"; do
        prefix=$(deps_prefix "$name") || return 1
        echo "$name=$prefix"
    done
}

deps_fill() {
    local cache name work
    deps_prefixes >/dev/null && return
    cache=$(wadi_cache_dir)
    mkdir -p "$cache"
    (
        flock 9
        deps_prefixes >/dev/null && exit 0 # another process was quicker
        rm -rf "$cache"/.fill.* # what a killed process left
        work=$(mktemp -d "$cache/.fill.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        say "fetching ${deps_names[*]} of Debian 13 from $(deps_mirror) (private apt configuration)"
        deps_apt_init "$work" trixie
        for name in "${deps_names[@]}"; do
            deps_prefix "$name" >/dev/null && continue # another build may be using it right now
            "deps_make_$name" "$work" "$work/$name"
            deps_publish "$cache" "$name" "$work/$name"
        done
    ) 9>"$cache/.lock"
}

# Moves a finished prefix into place. Its maker left version and checksum in the file `identity`.
deps_publish() {
    local cache=$1 name=$2 prefix=$3 version checksum recipe place link
    read -r version checksum <"$prefix/identity"
    recipe=$(deps_recipe "$name")
    place=$name-${version%%[-~]*}-$(echo "$checksum $recipe" | sha256sum | cut -c1-12)
    link=$cache/$name.$recipe
    rm -rf "${cache:?}/$place" # nobody uses it: its link was missing
    mv "$prefix" "$cache/$place"
    ln -sfn "$place" "$link.new"
    mv -T "$link.new" "$link"
    say "cached $name $version in $cache/$place"
}

# The mirror that this machine's own apt uses.
deps_mirror() {
    local uri
    # shellcheck disable=SC2016 # apt-get expands it
    uri=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 -E '/debian/?$' || true)
    echo "${uri:-http://deb.debian.org/debian}"
}

deps_apt() {
    local work=$1
    shift
    (cd "$work" && quietly "$work/log" apt-get -q \
        -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@")
}

# deps_apt_init WORK SUITE: what deps_apt fetches from.
deps_apt_init() {
    local work=$1 suite=$2 signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' mirror
    mirror=$(deps_mirror)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    printf "%s $signed $mirror $suite main\n" deb deb-src >"$work/sources.list"
    deps_apt "$work" -o APT::Update::Error-Mode=any update || die "cannot read the package lists of $suite from $mirror"
}

# mbedTLS: static, so that libwadi.so and the collector carry it, with hidden symbols.
# THREADING: upstream's default has no locks at all. VARIABLE_BUFFER_LENGTH: an idle connection
# shrinks from 2 x 16 KB to what its records need. Sanitizer builds link this same library: its
# pthread mutexes are seen by TSan's interceptors, its memory accesses are not.
deps_make_mbedtls() {
    local work=$1 prefix=$2 source option
    local flags='-g1 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections'
    deps_apt "$work" source mbedtls || die "cannot fetch the source of mbedTLS"
    source=$(find "$work" -maxdepth 1 -type d -name 'mbedtls-*')
    for option in MBEDTLS_THREADING_C MBEDTLS_THREADING_PTHREAD MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH; do
        /usr/bin/python3 "$source/scripts/config.py" -f "$source/include/mbedtls/mbedtls_config.h" set $option
    done
    say "building mbedTLS"
    quietly "$work/log" cmake -G Ninja -S "$source" -B "$work/build" --install-prefix "$prefix" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="$flags" -DCMAKE_INSTALL_LIBDIR=lib \
        -DENABLE_PROGRAMS=OFF -DENABLE_TESTING=OFF -DGEN_FILES=OFF \
        -DUSE_SHARED_MBEDTLS_LIBRARY=OFF -DUSE_STATIC_MBEDTLS_LIBRARY=ON || die "cannot configure mbedTLS"
    quietly "$work/log" cmake --build "$work/build" --target install || die "cannot build mbedTLS"
    echo "${source##*-} $(sha256sum "$work"/mbedtls_*.dsc | cut -d' ' -f1)" >"$prefix/identity"
}

# llhttp: Debian's package holds a static library.
deps_make_llhttp() {
    local work=$1 prefix=$2 deb
    deps_apt "$work" download libllhttp-dev || die "cannot fetch llhttp"
    deb=$(find "$work" -maxdepth 1 -name 'libllhttp-dev_*.deb')
    dpkg-deb -x "$deb" "$work/deb"
    mkdir -p "$prefix/lib"
    mv "$work/deb/usr/include" "$prefix/include"
    find "$work/deb/usr/lib" -name libllhttp.a -exec mv {} "$prefix/lib/" \;
    echo "$(dpkg-deb -f "$deb" Version) $(sha256sum "$deb" | cut -d' ' -f1)" >"$prefix/identity"
}

# librdkafka: static, and one object file that shows rd_kafka_* and nothing else, because it brings a nanopb,
# an LZ4 and a cJSON of its own, which must not meet those of other libraries. Without Kerberos and
# OAuth's HTTP client, which would bring Cyrus SASL, and with pthreads, which sanitizers know, not C11's
# threads. It wants a C++ compiler only for a wrapper that we do not build: `true` passes for one.
deps_make_rdkafka() {
    local work=$1 prefix=$2 source
    deps_apt "$work" source librdkafka || die "cannot fetch the source of librdkafka"
    source=$(find "$work" -maxdepth 1 -type d -name 'librdkafka-*')
    say "building librdkafka"
    (
        cd "$source"
        export CXX=true CFLAGS='-fPIC -ffunction-sections -fdata-sections'
        quietly "$work/log" ./configure --prefix="$prefix" --disable-debug-symbols --disable-c11threads \
            --disable-gssapi --disable-curl --disable-lz4-ext --disable-syslog
    ) || die "cannot configure librdkafka"
    quietly "$work/log" make -C "$source/src" -j "$(nproc)" librdkafka.a || die "cannot build librdkafka"
    ld -r -o "$work/rdkafka.o" --whole-archive "$source/src/librdkafka.a"
    objcopy --wildcard --keep-global-symbol='rd_kafka_*' "$work/rdkafka.o"
    mkdir -p "$prefix/include" "$prefix/lib"
    cp "$source/src/rdkafka.h" "$prefix/include/"
    ar rcs "$prefix/lib/librdkafka.a" "$work/rdkafka.o"
    echo "${source##*-} $(sha256sum "$work"/librdkafka_*.dsc | cut -d' ' -f1)" >"$prefix/identity"
}
