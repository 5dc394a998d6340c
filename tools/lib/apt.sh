# Packages on Debian and Ubuntu. Everything comes from the mirror that the machine's own apt sources name,
# checked with the key named there. The user's sources and package lists are never changed by a suite that
# they do not hold: such a suite lives in a private apt state for as long as this script runs.
# shellcheck shell=bash disable=SC2034

APT_UPDATED=no

have_apt() { have apt-get && have dpkg; }
is_root() { [[ $(id -u) == 0 ]]; }

# can_install: succeeds if packages can be installed from here; sets NO_PACKAGES to why not.
can_install() {
    NO_PACKAGES="this system has no apt-get"
    have_apt || return 1
    NO_PACKAGES="installing packages needs root, and there is no sudo"
    is_root || have sudo
}

# The names of the machine's release, as apt sources may spell them: "bookworm", "trixie", "noble", ...
os_codename() { (. /etc/os-release && echo "${VERSION_CODENAME-}"); }
is_debian() { (. /etc/os-release && [[ $ID == debian ]]); }

# as_root COMMAND...: runs it as root, with sudo where the user is not root.
as_root() {
    if is_root; then
        "$@"
    else
        echo "    sudo $*" >&2
        sudo "$@"
    fi
}

# apt_update: refreshes the machine's own package lists, once per run. A broken third-party source is no
# reason to stop: whether the wanted package is there is asked afterwards.
apt_update() {
    [[ $APT_UPDATED == yes ]] && return
    say "reading the package lists (apt-get update)"
    as_root apt-get -q update || say "apt-get update had errors; going on with the lists there are"
    APT_UPDATED=yes
}

# apt_install ARGUMENT...: apt-get install without questions and without recommended extras.
apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "${APT_PRIVATE[@]}" --no-install-recommends install "$@"
}

# apt_candidate PACKAGE: the version that apt would install, nothing if there is none.
apt_candidate() {
    apt-cache "${APT_PRIVATE[@]}" policy "$1" 2>/dev/null | sed -nE 's/^  Candidate: ([^(].*)$/\1/p'
}

# Prints the machine's apt sources as deb822 stanzas, one-line entries converted.
apt_sources() {
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        # deb [signed-by=KEY arch=amd64] URI SUITE COMPONENT...
        sed -nE -e 's/[[:space:]]*#.*//' \
            -e 's/^deb[[:space:]]+(\[([^]]*)\][[:space:]]+)?([^[:space:]]+)[[:space:]]+([^[:space:]]+)[[:space:]]+(.*)$/\2|\3|\4|\5/p' \
            "$file" |
            while IFS='|' read -r options uri suite components; do
                printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n' "$uri" "$suite" "$components"
                tr ' ' '\n' <<<"$options" |
                    sed -nE -e 's/^signed-by=/Signed-By: /p' -e 's/^trusted=/Trusted: /p'
                echo
            done
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -r $file ]] || continue
        sed '/^#/d' "$file"
        echo
    done
}

# apt_stanza SUITE: the machine's own entry for its release, with SUITE in place of the release: same mirror,
# same key. Fails if the machine's sources have no entry for its release.
apt_stanza() {
    apt_sources | awk -v suite="$1" -v release="$(os_codename)" '
        BEGIN { RS = ""; FS = "\n" }
        {
            types = suites = components = enabled = rest = ""; skip = 0
            for (i = 1; i <= NF; i++) {
                key = $i; sub(/:.*/, "", key); key = tolower(key)
                value = $i; sub(/^[^:]*:[ \t]*/, "", value)
                # A line that starts with a blank goes on with the field above it (a key written out in full).
                if ($i ~ /^[ \t]/) { if (!skip) rest = rest $i "\n"; continue }
                skip = key ~ /^(types|suites|components|enabled)$/
                if (key == "types") types = " " value " "
                else if (key == "suites") suites = " " value " "
                else if (key == "components") components = " " value " "
                else if (key == "enabled") enabled = tolower(value)
                else rest = rest $i "\n"
            }
            if (types !~ / deb / || enabled == "no" || components !~ / main /) next
            ours = index(suites, " " release " ") || suites ~ / (stable|testing|unstable|sid) /
            if (release != "" && !ours) next
            printf "Types: deb\nSuites: %s\nComponents: main\n%s", suite, rest
            found = 1
            exit
        }
        END { exit !found }'
}

# private_apt: from here on apt uses a private folder ($APT_DIR) for its sources and lists; what is installed,
# and all other settings, remain the machine's. close_private_apt ends that and must be called on the way out.
private_apt() {
    APT_DIR=$(mktemp -d)
    chmod 755 "$APT_DIR"
    mkdir -p "$APT_DIR/sources" "$APT_DIR/lists/partial" "$APT_DIR/cache/archives/partial"
    APT_PRIVATE=(
        -o Dir::Etc::SourceList=/dev/null
        -o "Dir::Etc::SourceParts=$APT_DIR/sources"
        -o "Dir::State::Lists=$APT_DIR/lists"
        -o "Dir::Cache=$APT_DIR/cache"
        # Root would otherwise fetch as a user who may not enter this folder.
        -o APT::Sandbox::User=root
    )
}

close_private_apt() {
    # What was fetched with sudo belongs to root.
    [[ -z $APT_DIR ]] || rm -rf "$APT_DIR" 2>/dev/null || as_root rm -rf "$APT_DIR"
    APT_DIR=""
    APT_PRIVATE=()
}
APT_DIR=""
APT_PRIVATE=()
