#!/usr/bin/env bash
# Stands in for QEMU in `cargo osdk run` (OSDK.toml, [run.qemu]) and adds what OSDK cannot say:
# the machine is the one that the kernel is for, the lab disk exists before QEMU opens it, a second disk has the files
# of the folder rootfs, JOB='read sector=3' in the environment puts `job=read sector=3` on the kernel command line,
# and exercises that are open are named.
# GUI=auto, gtk, sdl or vnc shows the screen, and adds it, a keyboard and a tablet to a machine that has none.
set -euo pipefail

tools=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tools/lib/machine.sh
source "$tools/lib/machine.sh"

kernel=$(kernel_among "$@")
arch=$(architecture_of "$kernel")
choose_machine "$arch"
"$tools/mkimage.sh"

# In a student's tree each place of an exercise holds a line TODO(exercise N) until it is solved.
name_open_exercises() {
    local number task title folder
    grep -rhoE --include='*.rs' 'TODO\(exercise [0-9]+\)' "$tools/../crates" "$tools/../kernel" |
        grep -oE '[0-9]+' | sort -nu |
        while read -r number; do
            task=$(compgen -G "$tools/../exercises/$number-*/exercise.toml") || continue
            folder=exercises/$(basename "$(dirname "$task")")
            if [[ ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} == zh* ]]; then
                title=$(sed -nE '0,/^title/s/^title.* zh = "([^"]*)".*/\1/p' "$task")
                echo "练习 $number（$title）尚未完成，见 $folder"
            else
                title=$(sed -nE '0,/^title/s/^title.* en = "([^"]*)".*/\1/p' "$task")
                echo "exercise $number, $title: not done yet, see $folder"
            fi
        done
}
name_open_exercises || true

args=("$@")
for ((i = 1; i < ${#args[@]}; i++)); do
    if [[ ${args[i - 1]} == -append && -n ${JOB-} ]]; then
        # OSDK ends the command line with `--`, behind which the kernel does not look.
        args[i]="job=${JOB#job=} ${args[i]}"
    elif [[ ${args[i - 1]} == -kernel ]]; then
        # On x86_64 the path is the first word of the command line, so there must be no blank in it.
        args[i]=${args[i]#"$PWD/"}
    fi
done

# Behind the user's disks, which come from OSDK; the machine comes before, for the user's words to have the last say.
args+=(-drive "if=none,id=lab,format=raw,file=blk.img" -device "virtio-blk-$DEVICE,drive=lab,serial=lab")

# The jobs on the lab disk do without this one.
if "$tools/mkfiles.sh"; then
    args+=(-drive "if=none,id=sfs,format=raw,file=sfs.img" -device "virtio-blk-$DEVICE,drive=sfs,serial=sfs")
else
    echo "the machine gets no disk with files: sfs.img could not be made; the lines above say why" >&2
fi

# Where people look at the screen, relative to the root: a path to a socket may not be long.
socket=target/screen.vnc

# Prints what QEMU can show the screen with here: a window where there is a display, else VNC.
find_window() {
    local kind known
    if [[ -n ${WAYLAND_DISPLAY-}${DISPLAY-} ]]; then
        known=$("$QEMU" -display help)
        for kind in gtk sdl; do
            grep -qx "$kind" <<<"$known" && echo "$kind" && return
        done
    fi
    echo vnc
}

say_where_to_look() {
    local path=$PWD/$socket
    if [[ ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} == zh* ]]; then
        echo "屏幕在 VNC 服务器 $path 上。查看：vncviewer $path（TigerVNC）；"
        echo "从别的机器上查看：ssh -L 5901:$path 本机，再用任意 VNC 客户端打开 localhost:5901。"
    else
        echo "The screen is at the VNC server $path. To look at it: vncviewer $path (TigerVNC);"
        echo "from elsewhere: ssh -L 5901:$path THIS-MACHINE, and then any VNC viewer at localhost:5901."
    fi
}

if [[ -n ${GUI-} ]]; then
    [[ $GUI != auto ]] || GUI=$(find_window)
    # Behind -nographic, which would show no screen: the last word counts. The console stays in the terminal.
    case $GUI in
    gtk | sdl) args+=(-display "$GUI") ;;
    vnc)
        mkdir -p "$(dirname "$socket")"
        # Without sound: QEMU would look for loudspeakers, and complain.
        args+=(-audiodev none,id=silence -vnc "unix:$socket,audiodev=silence")
        say_where_to_look
        ;;
    *)
        echo "GUI=$GUI is not known; there are auto, gtk, sdl and vnc" >&2
        exit 2
        ;;
    esac
    HAS_SCREEN=yes
fi
[[ $HAS_SCREEN == no ]] || args+=("${SCREEN[@]}")

[[ $arch == loongarch64 ]] || exec "$QEMU" "${MACHINE[@]}" "${args[@]}"

# QEMU's exit status says nothing there: the kernel's last line does.
console=$(mktemp)
trap 'rm -f "$console"' EXIT
"$QEMU" "${MACHINE[@]}" "${args[@]}" | tee "$console"
tail -n 1 "$console" | grep -qE '^job [^:]+: ok'
