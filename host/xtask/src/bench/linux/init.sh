#!/bin/busybox sh
# The first process of the Linux that is measured. Linux puts the words `name=value` of its command line that
# it does not know into the environment of this script:
#   fio        fio's arguments, with commas between them
#   amount     further ones that end the measured run
#   warm       further ones that end the run before it; no such run if empty
#   scheduler  the I/O scheduler of the disk; Linux's own choice if empty
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in virtio_mmio virtio_blk; do
    [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done

interrupts() {
    awk '/virtio/ { n += $2 } END { print "bench: interrupts", n + 0 }' /proc/interrupts
}

cd /tmp
fio="--name=bench --filename=/dev/vda --direct=1 $(echo "$fio" | tr , ' ')"
[ -z "$scheduler" ] || echo "$scheduler" >/sys/block/vda/queue/scheduler
[ -z "$warm" ] || /bin/fio $fio $(echo "$warm" | tr , ' ') >/dev/null
echo "bench: Linux $(uname -r), scheduler $(cat /sys/block/vda/queue/scheduler)"
interrupts
/bin/fio $fio $(echo "$amount" | tr , ' ') --output-format=json --output=/tmp/result
echo "bench: fio ended with status $?"
interrupts
echo "bench: result"
cat /tmp/result
echo "bench: end"
poweroff -f
