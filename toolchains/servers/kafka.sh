#!/usr/bin/env bash
# Prints the directory that holds the jars of Apache Kafka, for tests and examples: what pom.xml names, from
# Maven Central. servers.py starts brokers with it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

# Of all jars, in the order of their names.
jars_sha256=cbdc823cb781245caac64d556e38427ddce826dae9720409357f059c5ca162f1

make_kafka() {
    local work=$1 place=$2 sum
    command -v mvn >/dev/null || die "needs maven and a Java runtime: toolchains/setup.sh servers installs them"
    say "fetching Apache Kafka from Maven Central"
    quietly "$work/log" mvn --batch-mode --strict-checksums --file "$servers_dir/pom.xml" \
        -Dmaven.repo.local="$work/repository" -DincludeScope=runtime -DoutputDirectory="$place" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies || die "cannot fetch Apache Kafka"
    sum=$(cd "$place" && LC_ALL=C sha256sum -- *.jar | sha256sum | cut -d' ' -f1)
    [ "$sum" = "$jars_sha256" ] || die "the jars of Apache Kafka are not what they were: $sum"
}

cached kafka "$servers_dir/pom.xml" "${BASH_SOURCE[0]}"
