package config

import "testing"

func TestDirect(t *testing.T) {
	const program, user = "unprivileged-binary-patch-arg = /bin/sleep 1000\n", "uid = 4001\ngid = 4001\n"
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"a program", program + user, true},
		{"without arguments", "unprivileged-binary-patch = /bin/cat\n" + user, true},
		{"with all that a direct boot does", program + user + "add-gid = 7\nno-initgroups = true\nchdir = /srv\numask = 027\nenv = A=b\nunenv = C\nno-new-privileges = true\nlimit-nofile = 100\nlimit-core = 0\nlimit-as = 100\nlimit-nproc = 50\nready-probe = tcp:127.0.0.1:80\nready-timeout = 3\nreload-mercy = 5\n", true},
		{"readiness by the program", program + user + "notify-ready = true\n", true},
		{"its output", program + user + "log-to = /var/log/a\n", true},
		{"another signal", program + user + "worker-stop-signal = INT\n", true},
		{"root", program, false},
		{"a group alone", program + "gid = 4001\n", false},
		{"a command", "command = sleep 1000\n" + user, false},
		{"a privileged program", "privileged-binary-patch-arg = sleep 1000\n" + user, false},
		{"sockets", program + user + "socket = /run/a\nhttp-socket = :8080\nchmod-socket = 660\nlisten = 50\n", true},
		{"a shared socket", program + user + "shared-socket = :80\nsocket = =0\n", false},
		{"a router", program + user + "http = :80\n", false},
		{"a socket for each worker", program + user + "socket = :80\nreuse-port = true\n", false},
		{"a hook", program + user + "exec-as-root = true\n", false},
		{"a wait", program + user + "wait-for-file = /run/a\n", false},
		{"an interface", program + user + "wait-for-interface = eth0\n", false},
		{"a pid file", program + user + "pidfile = /run/a\n", false},
		{"a directory", program + user + "runtime-directory = a\n", false},
		{"a start directory", program + user + "cwd = /\n", true},
		{"capabilities", program + user + "cap = net_bind_service\n", true},
		{"variables of a directory", program + user + "envdir = /etc/a\n", false},
		{"a name", program + user + "procname = a\n", false},
		{"a daemon", program + user + "attach-daemon = sleep 5\n", false},
		{"a fallback", program + user + "fallback-config = /etc/b.ini\n", false},
		{"an include", program + user + "ini = /etc/b.ini\n", false},
		{"a variable", "env = A=$(HOME)\n" + program + user, false},
		{"a hook of the jail", program + user + "exec-post-jail = true\n", false},
		{"a terminal", program + user + "pty-socket = /run/a\n", false},
		{"workers", program + user + "processes = 2\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\n" + c.text)})
			if err != nil {
				t.Fatal(err)
			}
			if got := Direct(v); got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}
