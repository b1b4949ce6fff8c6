package optiondocs

// programManuals returns the pages of the other programs.
func programManuals() map[string]string {
	return map[string]string{
		"vassal-server.8": "", "vassal-helper.8": helperManual,
		"emperor-dns.8": dnsManual, "emperor-native.8": ".so man8/emperor.8\n", "vassal-native.8": ".so man8/vassal.8\n",
	}
}

const serverManual = `.SH NAME
vassal\-server \- the built\-in server of a vassal
.SH SYNOPSIS
.B vassal\-server
.RI [ OPTION ...]
.SH DESCRIPTION
.BR vassal (8)
starts this program when its file asks for the built\-in server, with the sockets and the options. It answers HTTP, the uwsgi protocol
and FastCGI with files, programs and other servers.
.B vassal
finds it in its own directory, or else in
.IR ../libexec/emperor .
.PP
Started by hand, it accepts its options on the command line. They are the same as in a vassal's file
.RB ( emperor.ini (5)).
.SH OPTIONS
Each is written as
.B \-\-option
.I VALUE
or
.BI \-\-option= VALUE\fR.
.SS Sockets
.TP
\fB\-\-http\-socket\fR \fIADDRESS\fR
Listen for HTTP on \fI:PORT\fR, \fIHOST:PORT\fR or a path.
.TP
\fB\-\-uwsgi\-socket\fR \fIADDRESS\fR
Listen for the uwsgi protocol.
.TP
\fB\-\-fastcgi\-socket\fR \fIADDRESS\fR
Listen for FastCGI.
`

const serverManualEnd = `.SS Other
.TP
.B \-\-help
Print the options.
.SH ENVIRONMENT
.TP
.BR LISTEN_FDS ,\  LISTEN_PID ,\  LISTEN_FDNAMES
Inherited sockets, see
.BR sd_listen_fds (3).
Their names decide their protocol.
A malformed value is an error.
.TP
.B NOTIFY_SOCKET
The socket for the notification of readiness, see
.BR sd_notify (3).
.SH SIGNALS
On
.BR SIGTERM ,
.B SIGINT
or
.B SIGQUIT
it stops accepting connections and waits for requests in progress. A second signal ends the program at once.
.SH EXIT STATUS
.TP
.B 0
Stopped as asked.
.TP
.B 1
Failed, or there is nothing to serve.
.TP
.B 2
The command line is wrong.
.SH EXAMPLE
.EX
/usr/local/libexec/emperor/vassal\-server \e
    \-\-http\-socket :8080 \-\-static\-map /=.
.EE
.SH SEE ALSO
.BR vassal (8),
.BR emperor.ini (5)
`

const helperManual = `.SH NAME
vassal\-helper \- read YAML and XML, ask other hosts, share a terminal, or attach to it
.SH SYNOPSIS
.B vassal\-helper parse
.BR yaml | xml
.RI < FILE
.br
.B vassal\-helper lookup
.BR ip4 | ip
.I NAME
.br
.B vassal\-helper fetch
.RI < URL
.br
.B vassal\-helper match
.RI < QUESTION
.br
.B vassal\-helper pty \-\-connect
.I ADDRESS
.SH DESCRIPTION
.BR vassal (8)
and
.BR emperor (8)
start this program. They find it in their own directory, or else in
.IR ../libexec/emperor .
It is not meant to be run by hand.
.TP
.B parse
reads a configuration in YAML or XML on standard input and prints its options as JSON.
.B vassal
reads ini and JSON itself.
.TP
.B lookup
prints the addresses of a host, for
.B resolve
and for hooks that wait for a server.
.TP
.B fetch
prints the page at
.IR HOST [: PORT ]/ PATH ,
which is on standard input, for
.BR http:// .
.TP
.B match
reports whether a regular expression matches a text, for
.BR if\-hostname\-match ,
and whether it is one at all. The two are lines of standard input, quoted as in Go.
.TP
.B pty
shows the pseudoterminal of a vassal's first worker to all clients, when the file has a
.BR pty\-socket .
With
.B \-\-connect
it is a client, as started by
.B emperor attach
.I NAME
and
.B vassal \-\-pty\-connect
.IR ADDRESS .
.I ADDRESS
is the
.BR pty\-socket :
a path, \fI@NAME\fR for an abstract one, or \fIHOST:PORT\fR. Ctrl\-] detaches. It always restores the terminal in which it
runs.
.SH EXIT STATUS
.TP
.B 0
The options were printed; detached, or the terminal has ended.
.TP
.B 1
Failed.
.TP
.B 2
The command line is wrong.
.SH SEE ALSO
.BR emperor (8),
.BR vassal (8),
.BR emperor.ini (5)
`

const dnsManual = `.SH NAME
emperor\-dns \- answer the questions of vassals for names
.SH SYNOPSIS
.B emperor\-dns
.SH DESCRIPTION
.BR emperor (8)
starts this program when a vassal needs it
.RB ( emperor\-network\-dns ),
from its own directory or else from
.IR ../libexec/emperor .
It is not meant to be run by hand.
.PP
It answers at the gateway addresses of the vassals, by UDP and TCP at port 53, for the names
.IB NAME .emperor.internal
of vassals that the asking vassal may reach, for
.BR host.emperor.internal ,
and for the names of their addresses. It passes other questions on to the nameservers of the host for vassals with
.BR "network\-dns = forward" .
Other processes get no answer.
.PP
It has no rights: no capabilities, an empty root directory, and user and group 60753, which have no other use. It cannot gain any
.RB ( PR_SET_NO_NEW_PRIVS
of
.BR prctl (2)).
It ends with the emperor, which starts it again when it ends before.
.SH EXIT STATUS
.TP
.B 0
The emperor has ended.
.TP
.B 1
Failed.
.TP
.B 2
The emperor has not started it.
.SH SEE ALSO
.BR emperor (8),
.BR emperor.ini (5)
`
