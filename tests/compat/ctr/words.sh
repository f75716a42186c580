# What steps may say beside ctr and the usual programs. SOON is set, in seconds, and HEARD, a file.

# ended ID: wait until this task runs no more
ended() {
    tries=0
    while [ $tries -lt 200 ] && ctr tasks ls | grep "^$1 " | grep -q RUNNING; do
        tries=$((tries + 1))
        sleep 0.05
    done
}

# listen FILTER...: write down events from now on
listen() {
    ctr events "$@" > "$HEARD" &
    listener=$!
    sleep "$SOON"
    sleep "$SOON" # it has to start, too
}

# heard: tell the events, without their times, and end. An option of overlayfs that every kernel takes at any place stands
# first for containerd 1.6 and last for 2.3 and boxship.
heard() {
    sleep "$SOON"
    kill $listener
    wait $listener
    cut -d ' ' -f 5- "$HEARD" | sed 's/"index=off",//; s/,"index=off"//'
}

# apart WORD...: start what becomes `sleep` at last, and go on then; $P is its id
apart() {
    "$@" &
    P=$!
    tries=0
    while [ $tries -lt 200 ] && [ "$(cat /proc/$P/comm)" != sleep ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
