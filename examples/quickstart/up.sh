# Says what is up, where it is, and how to see it. It is run inside the vassal.
cat <<UP

  $1 is up, in namespaces of its own:
    $(for n in pid uts net ipc mnt; do printf '%s ' "$(readlink /proc/self/ns/$n)"; done)
  It has the address $QUICKSTART_VASSAL on eth0; the other end of the link is $QUICKSTART_HOST on $QUICKSTART_LINK.

  In another terminal:  curl http://$QUICKSTART_VASSAL:8080/
  Here:                 Ctrl-C stops it and leaves nothing behind.

UP
