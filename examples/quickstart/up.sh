# Says what is up, where it is, and how to see it. It is run inside the vassal.
cat <<UP

  $1 is up, in namespaces of its own:
    $(for n in pid uts net ipc mnt; do printf '%s ' "$(readlink /proc/self/ns/$n)"; done)
  It has the address $UWSGI_VASSAL_ADDRESS on $UWSGI_VASSAL_INTERFACE; the other end of the link is $UWSGI_VASSAL_HOST_INTERFACE on the host.

  In another terminal:  curl http://$UWSGI_VASSAL_ADDRESS:8080/
                        bin/emperor --runtime-dir $QUICKSTART_DIR/run list
  Here:                 Ctrl-C stops it and leaves nothing behind.

UP
