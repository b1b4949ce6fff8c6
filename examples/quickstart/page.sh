# Prints the page. It is run inside the vassal, whose namespaces it shows.
cat <<PAGE
<!doctype html>
<title>$1</title>
<h1>$1</h1>
<pre>
host name            $(cat /proc/sys/kernel/hostname)
address              $UWSGI_VASSAL_ADDRESS
processes here       $(cd /proc && echo [0-9]*)
network namespace    $(readlink /proc/self/ns/net)
process namespace    $(readlink /proc/self/ns/pid)
the host's network   $QUICKSTART_HOST_NETNS
</pre>
PAGE
