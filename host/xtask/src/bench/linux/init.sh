#!/bin/busybox sh
# The first process of the Linux that is measured. Linux puts the words `name=value` of its command line that
# it does not know into the environment of this script:
#   fio        fio's arguments, with commas between them
#   amount     further ones that end the measured run
#   warm       further ones that end the run before it; no such run if empty
#   scheduler  the I/O scheduler of the disk; Linux's own choice if empty
#   files      if set, what is measured is not the disk but the ext4 on it: seqread reads `count` times the file
#              /large, randread reads it once with 8 threads, create makes `count` files and fsyncs each. Every time
#              the first run is dropped, and what Linux keeps in memory too.
#   count      see there
#   screen     if set, what is measured is not a disk but the screen: full writes all pixels `count` times, rect two
#              characters. What the driver tells the GPU, and when it answers, is traced.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

# load MODULE...: those that are not built in.
load() {
    for module in "$@"; do
        [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
    done
}
load virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_mmio virtio_blk
load crc32c_generic crc16 mbcache jbd2 ext4

interrupts() {
    awk '/virtio/ { n += $2 } END { print "bench: interrupts", n + 0 }' /proc/interrupts
}

# measure ARGUMENT...: runs fio and shows its result, and what the disk has counted before and after.
measure() {
    interrupts
    echo "bench: disk $(cat /sys/block/vda/stat)"
    /bin/fio "$@" --output-format=json --output=/tmp/result
    echo "bench: fio ended with status $?"
    interrupts
    echo "bench: disk $(cat /sys/block/vda/stat)"
    echo "bench: result"
    cat /tmp/result
    echo "bench: end"
}

forget() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

measure_files() {
    mount -t ext4 /dev/vda /mnt
    fio="--name=bench --directory=/mnt --ioengine=psync --group_reporting"
    case $files in
    seqread)
        fio="$fio --filename=large --rw=read --bs=128k"
        forget
        /bin/fio $fio >/dev/null
        for run in $(seq "$count"); do
            forget
            measure $fio
        done
        ;;
    randread)
        fio="$fio --filename=large --rw=randread --bs=4k --numjobs=8 --size=8m --offset_increment=8m"
        /bin/fio $fio >/dev/null
        forget
        measure $fio
        ;;
    create)
        fio="$fio --rw=write --bs=4k --filesize=4k --openfiles=1 --file_service_type=sequential --create_on_open=1"
        fio="$fio --fsync=1 --fallocate=none --allow_file_create=1"
        mkdir /mnt/new/warm /mnt/new/measured
        /bin/fio $fio --directory=/mnt/new/warm --nrfiles=100 >/dev/null
        sync
        measure $fio --directory=/mnt/new/measured --nrfiles="$count"
        rm -r /mnt/new/warm /mnt/new/measured
        ;;
    esac
    umount /mnt
}

measure_screen() {
    load drm drm_kms_helper drm_shmem_helper virtio_dma_buf virtio-gpu
    mount -t tracefs tracefs /sys/kernel/tracing
    # Without a cursor that blinks.
    printf '\033[?25l\033[2J' >/dev/tty0
    head -c 3145728 /dev/zero >/tmp/0
    tr '\0' '\125' </tmp/0 >/tmp/1
    sleep 1
    echo 1 >/sys/kernel/tracing/events/virtio_gpu/enable
    for change in $(seq "$count"); do
        case $screen in
        full) dd if=/tmp/$((change % 2)) of=/dev/fb0 bs=3M count=1 2>/dev/null ;;
        rect) printf '\033[20;60H%02d' $((change % 100)) >/dev/tty0 ;;
        esac
        usleep 10000
    done
    echo "bench: result"
    cat /sys/kernel/tracing/trace
    echo "bench: end"
}

# A PC, which has no device tree, has a port in QEMU to which 16 is written for success, as this repository's kernel does.
switch_off() {
    [ -e /sys/firmware/devicetree ] || printf '\020' | dd of=/dev/port bs=1 seek=244 conv=notrunc
    poweroff -f
}

cd /tmp
if [ -n "$screen" ]; then
    measure_screen
    switch_off
fi
echo "bench: Linux $(uname -r), scheduler $(cat /sys/block/vda/queue/scheduler)"
if [ -n "$files" ]; then
    measure_files
    switch_off
fi
fio="--name=bench --filename=/dev/vda --direct=1 $(echo "$fio" | tr , ' ')"
[ -z "$scheduler" ] || echo "$scheduler" >/sys/block/vda/queue/scheduler
[ -z "$warm" ] || /bin/fio $fio $(echo "$warm" | tr , ' ') >/dev/null
measure $fio $(echo "$amount" | tr , ' ')
switch_off
