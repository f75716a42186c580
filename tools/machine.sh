# Runs in the machine of ./dev machine, started by its unit; tells the exit status through a port of its own.
exec </dev/null >/dev/virtio-ports/boxship.output 2>&1
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin BOXSHIP_MACHINE=1 PYTHONUNBUFFERED=1
export BOXSHIP_ORIGINALS=no # what the image has is all there is
cd /srv/boxship || exit
echo "machine: up"
ip link set lo up
mount -o remount,exec,suid,dev,size=50% /run # tests have roots of containers there
sh ./machine-script
echo $? >/dev/virtio-ports/boxship.status
