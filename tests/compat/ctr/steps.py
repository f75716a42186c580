"""What is run against both daemons: one line of sh per step, in which `ctr` is the client at the daemon in question.

`@BOX@`, `@THREE@`, `@MANY@` are images in the registry `@HOST@`; `@HOME@` is the daemon's own folder.
"""

import dataclasses

PLAIN = "--plain-http"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`masks` hide what legally differs; `unordered` sorts lines; `only_code` compares exit codes alone."""

    group: str
    shell: str
    words: tuple[str, ...] = ()
    stdin: bytes = b""
    masks: tuple[str, ...] = ()
    unordered: bool = False
    only_code: bool = False
    setup: bool = False
    timeout: float = 20

    @property
    def name(self) -> str:
        return f"{self.group}: {self.shell}"


REASONS = {
    # what the shell line holds -> why it may differ
    "ctr version": "each daemon has its own version and revision",
    "ctr plugins ls": "the parts of boxship are its own; kinds and ids that clients ask for are compared apart",
    "ctr --debug version": "each daemon has its own version and revision",
    "images convert": "done by the client with the times of the moment inside, so digests differ between any two runs",
}


def excuse(step: Step) -> str:
    return next((reason for part, reason in REASONS.items() if part in step.shell), "")


def _steps(group: str, text: str, **common: object) -> list[Step]:
    found = []
    for line in text.strip().splitlines():
        shell, _, options = line.strip().partition("  ##")
        extra: dict[str, object] = {
            word: True for word in options.split() if word in {"unordered", "only_code", "setup"}
        }
        found.append(Step(group=group, shell=shell, **{**common, **extra}))  # type: ignore[arg-type]
    return found


DIGEST = r"sha256:[0-9a-f]{64}"

VERSION = _steps(
    "version",
    """
    ctr version
    ctr --debug version
    ctr -a /nonexistent.sock --connect-timeout 1s version  ## only_code
    ctr plugins ls
    ctr plugins ls -q | grep -c snapshotter  ## only_code
    ctr plugins ls id==overlayfs
    ctr plugins ls 'id~=|^overl|'
    ctr plugins ls type==io.containerd.snapshotter.v1,id==native
    ctr plugins ls 'id~=('
    ctr plugins ls 'a,,b'
    ctr plugins ls 'id=='
    ctr plugins ls 'id=1'
    ctr oci spec
    """,
)

NAMESPACES = _steps(
    "namespaces",
    """
    ctr ns ls
    ctr ns create one
    ctr ns create one
    ctr ns create two a=b c=d
    ctr ns create ''
    ctr ns create 'bad name'
    ctr ns create -- -x
    ctr ns create aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    ctr ns ls
    ctr ns ls -q
    ctr ns label two a=x c= e=f
    ctr ns ls
    ctr ns label none a=b
    ctr ns label two
    ctr ns rm one
    ctr ns rm one
    ctr ns rm none two
    ctr ns rm --cgroup one
    ctr -n fresh content ls
    ctr -n 'no good' content ls
    ctr -n 'no good' images ls
    echo data | ctr -n fresh content ingest ref
    ctr ns ls
    ctr ns rm fresh
    ctr -n fresh content rm sha256:6667b2d1aab6a00caa5aee5af8ad9f1465e567abf1c209d15727d57b3e8f6e5f
    ctr ns rm fresh
    """,
)

IMAGES = _steps(
    "images",
    """
    ctr images pull --plain-http @BOX@  ## unordered setup
    ctr images pull --plain-http @THREE@  ## unordered setup
    ctr images pull --plain-http @BOX@  ## unordered
    ctr images pull --plain-http --all-platforms @MANY@  ## unordered
    ctr images pull --plain-http --platform linux/s390x @MANY@ 2>&1 | tail -1
    ctr images pull --plain-http --label x=y @THREE@  ## unordered
    ctr images pull --plain-http --snapshotter native @BOX@  ## unordered
    ctr images pull --plain-http --snapshotter none @BOX@ 2>&1 | tail -1
    ctr images pull --plain-http --print-chainid @THREE@ 2>&1 | grep -i chain
    ctr images pull --plain-http --max-concurrent-downloads 1 @THREE@  ## unordered
    ctr images pull --plain-http @HOST@/none:1 2>&1 | tail -1
    ctr images pull --plain-http @HOST@/lib/box:none 2>&1 | tail -1
    ctr images pull bad 2>&1 | tail -1
    ctr images ls
    ctr images ls -q
    ctr images ls name==@BOX@
    ctr images ls 'name~=three'
    ctr images ls 'labels.x==y'
    ctr images ls 'target.mediatype~=index' -q
    ctr images ls 'name~='
    ctr images ls 'na me'
    ctr images check
    ctr images check -q
    ctr images check name==@BOX@
    ctr images check --snapshotter native
    ctr images tag @BOX@ box:a
    ctr images tag @BOX@ box:a
    ctr images tag --force @BOX@ box:a box:b
    ctr images tag none box:c
    ctr images label box:a k=v
    ctr images label box:a k=v2 l=
    ctr images label --replace-all box:a z=1
    ctr images label none k=v
    ctr images ls 'name~=^box'
    ctr images push --plain-http @HOST@/copy/box:1 box:a 2>&1 | tail -1
    ctr images push --plain-http @HOST@/copy/three:1 @THREE@ 2>&1 | tail -1
    ctr images push --plain-http @HOST@/copy/none:1 none 2>&1 | tail -1
    ctr images pull --plain-http @HOST@/copy/three:1  ## unordered
    ctr images export @HOME@/box.tar box:a && tar -tf @HOME@/box.tar | sort
    ctr images export @HOME@/two.tar box:a @THREE@ && tar -tf @HOME@/two.tar | sort
    ctr images export --skip-manifest-json @HOME@/oci.tar box:a && tar -tf @HOME@/oci.tar | sort
    ctr images export --platform linux/arm64 @HOME@/many.tar @MANY@ && tar -tf @HOME@/many.tar | sort
    ctr images export --all-platforms @HOME@/all.tar @MANY@ && tar -tf @HOME@/all.tar | sort
    ctr images export @HOME@/none.tar none
    ctr images rm box:a
    ctr images rm none
    ctr images rm box:b box:b
    ctr images import @HOME@/box.tar
    ctr images import --base-name base/name @HOME@/oci.tar
    ctr images import --digests --base-name base/d @HOME@/oci.tar
    ctr images import --index-name idx:1 @HOME@/two.tar
    ctr images import --no-unpack @HOME@/two.tar
    ctr images import --all-platforms @HOME@/all.tar
    ctr images import --platform linux/arm64 --no-unpack @HOME@/many.tar
    ctr images import --snapshotter native @HOME@/box.tar
    ctr images import /nonexistent.tar
    echo junk | ctr images import -
    ctr images ls
    mkdir -p @HOME@/mnt && ctr images mount @THREE@ @HOME@/mnt && ls @HOME@/mnt @HOME@/mnt/home && ctr images unmount @HOME@/mnt
    ctr images mount --rw @BOX@ @HOME@/mnt && touch @HOME@/mnt/x && ctr images unmount --rm @HOME@/mnt
    ctr images mount none @HOME@/mnt
    ctr images unmount /nonexistent
    ctr images convert --uncompress --oci @BOX@ conv:1
    ctr images ls -q name==conv:1
    ctr images rm --sync conv:1
    """,
)

CONTENT = _steps(
    "content",
    """
    ctr content ls -q | sort
    ctr content ls  ## unordered
    ctr content ls 'labels."containerd.io/distribution.source.none"'
    ctr content ls 'digest~=('
    ctr content get sha256:0000000000000000000000000000000000000000000000000000000000000000
    ctr content get nonsense
    ctr content get sha256:short
    printf hello | ctr content ingest ref1
    printf hello | ctr content ingest ref1
    printf hello | ctr content ingest --expected-digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 ref2
    printf hello2 | ctr content ingest --expected-digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 ref3
    printf world | ctr content ingest --expected-digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9825 ref4
    printf world | ctr content ingest --expected-size 4 ref5
    printf world | ctr content ingest --expected-size 5 ref6
    printf world | ctr content ingest
    ctr content get sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ctr content active
    ctr content active re
    ctr content label sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 a=b
    ctr content label sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 a= c=d
    ctr content label sha256:0000000000000000000000000000000000000000000000000000000000000000 a=b
    ctr content label nonsense a=b
    ctr content ls 'labels.c==d'
    ctr content ls -q 'digest==sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
    EDITOR='sed -i s/hello/jello/' ctr content edit sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ctr content fetch --plain-http @THREE@  ## unordered
    ctr content fetch --plain-http --all-platforms @MANY@  ## unordered
    ctr content fetch --plain-http --metadata-only @MANY@  ## unordered
    ctr content fetch --plain-http @HOST@/none:1 2>&1 | tail -1
    ctr content fetch-object --plain-http @BOX@ | head -c 60
    ctr content push-object --plain-http @HOST@/copy/obj sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 application/octet-stream
    ctr content prune references
    ctr content prune references --dry
    ctr content rm sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ctr content rm sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ctr content rm nonsense
    """,
)

SNAPSHOTS = _steps(
    "snapshots",
    """
    ctr snapshots ls  ## unordered
    ctr snapshots --snapshotter native ls  ## unordered
    ctr snapshots --snapshotter none ls
    ctr snapshots tree
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots info $CHAIN
    ctr snapshots info none
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots prepare key1 $CHAIN
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots prepare key1 $CHAIN
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots prepare --mounts key2 $CHAIN
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots prepare -t /mnt key3 $CHAIN
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots view view1 $CHAIN
    CHAIN=$(ctr snapshots ls | grep -v PARENT | awk 'NF==2{print $1; exit}'); ctr snapshots view --mounts view2 $CHAIN
    ctr snapshots prepare empty
    ctr snapshots prepare --mounts empty2
    ctr snapshots view --mounts empty3
    ctr snapshots prepare x none
    ctr snapshots prepare x key1
    ctr snapshots prepare
    ctr snapshots mounts /mnt key1
    ctr snapshots mounts /mnt empty
    ctr snapshots mounts /mnt empty3
    ctr snapshots mounts /mnt none
    ctr snapshots --snapshotter native prepare --mounts nat
    ctr snapshots --snapshotter native view --mounts natview
    ctr snapshots label key1 a=b c=d
    ctr snapshots label key1 a=
    ctr snapshots label none a=b
    ctr snapshots info key1
    ctr snapshots usage key1 -b
    ctr snapshots usage  ## only_code
    ctr snapshots usage none
    ctr snapshots commit com1 key1
    ctr snapshots commit com1 key2
    ctr snapshots commit com2 none
    ctr snapshots commit com2 view1
    ctr snapshots mounts /mnt com1
    ctr snapshots prepare child com1
    ctr snapshots rm com1
    ctr snapshots rm child com1
    ctr snapshots rm child
    ctr snapshots rm none
    ctr snapshots ls  ## unordered
    ctr snapshots tree
    mkdir -p @HOME@/m && ctr snapshots prepare low >/dev/null && ctr snapshots mounts @HOME@/m low | sh && echo one > @HOME@/m/one && echo two > @HOME@/m/two && umount @HOME@/m && ctr snapshots commit lowc low && ctr snapshots prepare up lowc && ctr snapshots mounts @HOME@/m up
    ctr snapshots prepare --mounts two lowc
    ctr snapshots diff up | tar -tzvf - | awk '{print $1,$2,$3,$6}'
    ctr snapshots diff --media-type application/vnd.oci.image.layer.v1.tar lowc | tar -tvf - | awk '{print $1,$2,$3,$6}'
    ctr snapshots diff --media-type nonsense lowc
    ctr snapshots diff none
    ctr snapshots diff --keep --label a=b lowc | tar -tzf -
    ctr snapshots unpack nonsense
    """,
    masks=(r"\"(?:Created|Updated)\": \".*\"",),
)

LEASES = _steps(
    "leases",
    """
    ctr leases ls
    ctr leases create --id one
    ctr leases create --id one
    ctr leases create --id two a=b c=d
    ctr leases create --id three --expires 0
    ctr leases create --id 'bad id' -x 1h
    ctr leases create -x nonsense
    ctr leases ls
    ctr leases ls -q
    ctr leases ls id==two
    ctr leases ls 'labels.a==b'
    ctr leases ls 'id~=('
    ctr leases rm one
    ctr leases rm one
    ctr leases rm --sync two three
    ctr leases rm
    ctr leases ls
    """,
)

PID = r"(?<![\w.:/-])[0-9]{2,7}(?![\w.:/-])"

RUN = _steps(
    "run",
    """
    ctr run --rm @BOX@ a true
    ctr run --rm @BOX@ a false
    ctr run --rm @BOX@ a sh -c 'echo out; echo err >&2; exit 42'
    ctr run --rm @BOX@ a sh -c 'kill -9 $$'
    ctr run --rm @BOX@ a sh -c 'kill -15 $$; sleep 5'
    ctr run --rm @BOX@ a nonexistent
    ctr run --rm @BOX@ a /etc/passwd
    ctr run --rm @BOX@ a /etc
    ctr run --rm @BOX@ 'bad id' true
    ctr run --rm none a true
    ctr run --rm @BOX@
    ctr run
    printf 'one\\ntwo\\n' | ctr run --rm @BOX@ a head -n 2
    ctr run --rm @BOX@ a sh -c 'seq 100000 | wc'
    ctr run --rm --null-io @BOX@ a echo hidden
    ctr run --rm --log-uri file://@HOME@/run.log @BOX@ a echo logged && cat @HOME@/run.log
    ctr run --rm --log-uri nonsense://x @BOX@ a echo logged
    ctr run --rm --fifo-dir @HOME@/fifos @BOX@ a echo fifo
    ctr run --rm --fifo-dir /proc/nonexistent @BOX@ a echo fifo
    ctr run --rm --env A=1 --env B=two @BOX@ a env  ## unordered
    printf 'C=3\\nD=4\\n' > @HOME@/env && ctr run --rm --env-file @HOME@/env @BOX@ a env  ## unordered
    ctr run --rm --env-file /nonexistent @BOX@ a env
    ctr run --rm --cwd /etc @BOX@ a pwd
    ctr run --rm --cwd /made/by/runtime @BOX@ a pwd
    ctr run --rm --cwd relative @BOX@ a pwd
    ctr run --rm @THREE@ a sh -c 'pwd; id; ls'
    ctr run --rm --hostname x @BOX@ a hostname
    ctr run --rm @BOX@ a hostname
    ctr run --rm --read-only @BOX@ a touch /x
    ctr run --rm @BOX@ a touch /x
    ctr run --rm --mount type=bind,src=/etc,dst=/host,options=rbind:ro @BOX@ a sh -c 'ls -d /host/passwd; touch /host/x'
    ctr run --rm --mount type=bind,src=/nonexistent,dst=/host,options=rbind:ro @BOX@ a ls
    ctr run --rm --mount type=tmpfs,src=tmpfs,dst=/t @BOX@ a sh -c 'mount | grep " /t "'
    ctr run --rm --mount nonsense @BOX@ a ls
    ctr run --rm --net-host @BOX@ a sh -c 'ls /sys/class/net | wc -l' && ls /sys/class/net | wc -l
    ctr run --rm @BOX@ a ls /sys/class/net
    ctr run --rm @BOX@ a ip -o addr
    ctr run --rm @BOX@ a sh -c 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status'
    ctr run --rm --privileged @BOX@ a sh -c 'grep -E "^(Cap|NoNewPrivs)" /proc/self/status'
    ctr run --rm --allow-new-privs @BOX@ a grep NoNewPrivs /proc/self/status
    ctr run --rm --cap-add CAP_SYS_ADMIN @BOX@ a grep Cap /proc/self/status
    ctr run --rm --cap-drop CAP_CHOWN @BOX@ a grep Cap /proc/self/status
    ctr run --rm --cap-add CAP_NONSENSE @BOX@ a true
    ctr run --rm --seccomp @BOX@ a grep Seccomp: /proc/self/status
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' > @HOME@/sec.json && ctr run --rm --seccomp --seccomp-profile @HOME@/sec.json @BOX@ a sh -c 'mkdir /x'
    ctr run --rm --seccomp-profile /nonexistent @BOX@ a true
    ctr run --rm --memory-limit 33554432 @BOX@ a cat /sys/fs/cgroup/memory/memory.limit_in_bytes
    ctr run --rm --memory-limit 33554432 @BOX@ a sh -c 'head -c 100000000 /dev/zero | tail -c 1 | wc -c'
    ctr run --rm --cpus 0.5 @BOX@ a true
    ctr run --rm --cpu-quota 50000 --cpu-period 100000 @BOX@ a true
    ctr run --rm --cpu-quota 10 --cpu-period 100000 @BOX@ a true
    ctr run --rm --cpu-shares 512 @BOX@ a true
    ctr run --rm --cgroup /compat/x @BOX@ a sh -c 'sed s/^[0-9]*:// /proc/self/cgroup | grep memory'
    ctr run --rm --cgroup '' @BOX@ a true
    ctr run --rm --device /dev/zero @BOX@ a ls -l /dev/zero
    ctr run --rm --device /dev/fuse @BOX@ a sh -c 'ls -l /dev/fuse | cut -c1-30'
    ctr run --rm --device /nonexistent @BOX@ a true
    ctr run --rm --label a=b --annotation x=y @BOX@ a true
    ctr run --rm --platform linux/amd64 @MANY@ a true
    ctr run --rm --platform linux/arm64 @MANY@ a true
    ctr run --rm --snapshotter native @BOX@ a true
    ctr run --rm --snapshotter none @BOX@ a true
    ctr run --rm --snapshotter-label a=b @BOX@ a true
    ctr run --rm --runtime none @BOX@ a true
    ctr run --rm --runtime io.containerd.none.v1 @BOX@ a true
    ctr run --rm --runtime /usr/bin/containerd-shim-runc-v2 @BOX@ a echo foreign
    ctr run --rm --runc-binary /usr/sbin/runc @BOX@ a echo runc
    ctr run --rm --runc-binary /nonexistent @BOX@ a echo runc
    ctr run --rm --runc-root @HOME@/runc @BOX@ a echo root
    ctr run --rm --no-pivot @BOX@ a true
    ctr run --rm --rootfs-propagation shared @BOX@ a true
    ctr run --rm --with-ns uts:/proc/1/ns/uts @BOX@ a hostname
    ctr run --rm --with-ns network:/proc/1/ns/net @BOX@ a sh -c 'ls /sys/class/net | wc -l'
    ctr run --rm --with-ns nonsense @BOX@ a true
    ctr run --rm --with-ns ipc:/nonexistent @BOX@ a true
    ctr run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 @BOX@ a sh -c 'id; cat /proc/self/uid_map'
    ctr run --rm --uidmap nonsense @BOX@ a true
    ctr run --rm --pid-file @HOME@/pid @BOX@ a true; test -s @HOME@/pid && echo written
    mkdir -p @HOME@/fs/bin @HOME@/fs/proc @HOME@/fs/sys @HOME@/fs/dev && cp /bin/busybox @HOME@/fs/bin/sh && ctr run --rm --rootfs @HOME@/fs a sh -c 'echo rootfs'
    ctr run --rm --rootfs /nonexistent a true
    ctr run --rm -t @BOX@ a sh -c 'test -t 0 && echo terminal; stty size'
    ctr oci spec > @HOME@/spec.json && sed -i 's/"args": \\[\\]/"args": ["true"]/' @HOME@/spec.json; ctr run --rm --config /nonexistent a
    ctr run --rm -d @BOX@ a true
    ctr run --rm @BOX@ a cat /proc/self/mountinfo | awk '{print $5,$6,$7,$8,$9,$10}' | cut -c1-120
    ctr run --rm @BOX@ a sh -c 'ls -ln /dev; ls -l /proc/self/fd | wc -l'
    ctr run --rm @BOX@ a sh -c 'cat /proc/kcore /proc/keys /proc/timer_list | wc -c; touch /proc/sys/x; ls /sys/firmware | wc -l'
    ctr run --rm @BOX@ a ps -o pid,args
    ctr run --rm @BOX@ a sh -c 'ulimit -n; umask; nproc > /dev/null && echo ok'
    """,
    masks=(r"rwx[0-9]+",),
)

TASKS = _steps(
    "tasks",
    """
    ctr run -d @BOX@ c1 sleep 1000
    ctr run -d @BOX@ c1 sleep 1000
    ctr containers ls
    ctr containers ls -q
    ctr containers ls id==c1
    ctr containers ls 'id~=('
    ctr containers info c1
    ctr containers info --spec c1 | head -3
    ctr containers info none
    ctr containers label c1 a=b c=d
    ctr containers label c1 a=
    ctr containers label none a=b
    ctr tasks ls | awk '{print $1,$3}'
    ctr tasks ls -q
    ctr tasks ps c1 | awk '{print NF}'
    ctr tasks ps none
    ctr tasks exec --exec-id e1 c1 echo exec
    ctr tasks exec --exec-id e1 c1 sh -c 'exit 7'
    ctr tasks exec --exec-id e1 c1 nonexistent
    ctr tasks exec --exec-id e1 none true
    ctr tasks exec c1 true
    ctr tasks exec --exec-id 'bad id' c1 true
    ctr tasks exec --exec-id e1 --cwd /etc c1 pwd
    ctr tasks exec --exec-id e1 --user 1000:1001 c1 id
    ctr tasks exec --exec-id e1 --user app c1 id
    ctr tasks exec --exec-id e1 --user none c1 id
    ctr tasks exec --exec-id e1 -t c1 sh -c 'test -t 0 && echo terminal'
    echo input | ctr tasks exec --exec-id e1 c1 head -n 1
    ctr tasks exec --exec-id e1 --fifo-dir @HOME@/fifos c1 echo fifo
    ctr tasks exec --exec-id e1 --log-uri file://@HOME@/exec.log c1 echo logged && cat @HOME@/exec.log
    ctr tasks exec --exec-id e1 c1 sh -c 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status'
    ctr tasks exec --exec-id e2 -d c1 sleep 1000
    ctr tasks exec --exec-id e2 -d c1 sleep 1000
    ctr tasks kill --exec-id e2 -s SIGKILL c1
    ctr tasks kill --exec-id none c1
    ctr tasks rm --exec-id e2 c1
    ctr tasks rm --exec-id e2 c1
    ctr tasks metrics c1 | awk '{print $1}'
    ctr tasks metrics --format json c1 | grep -o '"[a-z_]*"' | sort -u
    ctr tasks metrics none
    ctr tasks pause c1
    ctr tasks ls | awk '{print $1,$3}'
    ctr tasks pause c1
    ctr tasks exec --exec-id e3 c1 true
    ctr tasks resume c1
    ctr tasks resume c1
    ctr tasks pause none
    ctr tasks resume none
    ctr tasks rm c1
    ctr containers rm c1
    ctr images rm --sync @BOX@; ctr images pull --plain-http @BOX@ 2>&1 | tail -1
    ctr tasks kill -s NONSENSE c1
    ctr tasks kill -s SIGUSR1 none
    ctr tasks kill -s SIGKILL -a c1
    i=0; while [ $i -lt 100 ] && ctr tasks ls | grep -q RUNNING; do i=$((i+1)); sleep 0.1; done; ctr tasks ls | awk '{print $1,$3}'
    ctr tasks kill c1
    ctr tasks start -d c1
    ctr tasks exec --exec-id e4 c1 true
    ctr tasks rm c1
    ctr tasks rm c1
    ctr tasks ls
    ctr tasks start -d c1
    ctr tasks ls | awk '{print $1,$3}'
    ctr tasks rm -f c1
    ctr containers rm c1
    ctr containers rm c1
    ctr containers create @BOX@ c2 echo started
    ctr containers create @BOX@ c2 echo started
    ctr containers create none c3 true
    ctr containers create --snapshotter none @BOX@ c3 true
    ctr containers create --label x=y --annotation k=v --env E=1 @BOX@ c3 true
    ctr containers ls
    ctr containers info c2 | grep -v -i -E 'created|updated'
    ctr tasks start c2
    ctr tasks start c2
    ctr tasks start none
    ctr tasks start --null-io c3
    ctr tasks start --pid-file @HOME@/pid3 c3; test -s @HOME@/pid3 && echo written
    ctr tasks attach none
    ctr tasks checkpoint none
    ctr containers checkpoint none ref
    ctr containers restore none ref
    ctr containers rm --keep-snapshot c3
    ctr snapshots ls | grep -c c3
    ctr containers rm c2
    ctr run -d @BOX@ s1 sleep 1000
    ctr shim --id s1 state | head -2  ## only_code
    ctr shim --id none state  ## only_code
    ctr tasks kill -s 9 s1; i=0; while [ $i -lt 100 ] && ctr tasks ls | grep -q RUNNING; do i=$((i+1)); sleep 0.1; done; ctr tasks rm s1; ctr containers rm s1
    ctr containers ls
    ctr snapshots ls | grep -v sha256
    """,
    masks=(PID, r"(?:<NAMESPACE>|default)/[a-z0-9]+"),
)

EVENTS = _steps(
    "events",
    """
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr run --rm @BOX@ ev1 true; sleep 0.5; kill $P; awk '{print $5,$6}' @HOME@/ev
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr images tag @BOX@ ev:1; ctr images label ev:1 a=b; ctr images rm ev:1; sleep 0.5; kill $P; awk '{$1=$2=$3=$4="";print}' @HOME@/ev
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr ns create evns; ctr ns label evns a=b; ctr ns rm evns; sleep 0.5; kill $P; awk '{$1=$2=$3=$4="";print}' @HOME@/ev
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr snapshots prepare evk; ctr snapshots commit evc evk; ctr snapshots rm evc; sleep 0.5; kill $P; awk '{$1=$2=$3=$4="";print}' @HOME@/ev
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr containers create @BOX@ evc1 true; ctr containers label evc1 a=b; ctr containers rm evc1; sleep 0.5; kill $P; awk '{print $5,$6}' @HOME@/ev
    ctr events > @HOME@/ev & P=$!; sleep 0.5; ctr run -d @BOX@ ev2 sleep 100; ctr tasks exec --exec-id x ev2 true; ctr tasks pause ev2; ctr tasks resume ev2; ctr tasks kill -s 9 ev2; sleep 1; ctr tasks rm ev2; ctr containers rm ev2; sleep 0.5; kill $P; awk '{print $5,$6}' @HOME@/ev
    ctr events 'topic==/images/create' > @HOME@/ev & P=$!; sleep 0.5; ctr images tag @BOX@ ev:2; ctr images rm ev:2; sleep 0.5; kill $P; awk '{$1=$2=$3=$4="";print}' @HOME@/ev
    ctr events 'topic~=('
    ctr events 'nonsense,,'
    """,
    masks=(PID,),
    timeout=30,
)

GROUPS = [VERSION, NAMESPACES, IMAGES, CONTENT, SNAPSHOTS, LEASES, RUN, TASKS, EVENTS]


def all_steps(*, new: bool = False) -> list[Step]:
    """Every step in order; for ctr 2.x those that it words differently are put into its words."""
    found = [step for group in GROUPS for step in group]
    return [_for_new(step) for step in found if step.group in NEW_GROUPS] if new else found


NEW_GROUPS = {"images", "content", "snapshots", "run", "tasks", "events"}


def _for_new(step: Step) -> Step:
    shell = step.shell
    for verb in ("images pull", "images import", "images push", "images export", "images tag"):
        shell = shell.replace(f"ctr {verb} ", f"ctr {verb} --local ")
    return dataclasses.replace(step, shell=shell)
