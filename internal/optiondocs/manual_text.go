package optiondocs

const emperorManual = `.SH NAME
emperor \- supervise a directory of containers
.SH SYNOPSIS
.B emperor
.RI [ OPTION ...]\  DIR ...
.br
.B emperor
.I COMMAND
.RI [ OPTION ...]\  ARGUMENT ...
.SH DESCRIPTION
.B emperor
watches directories of configuration files. For each file it starts a process in new namespaces, called a vassal, runs the operator's hooks,
and restarts the vassal when it dies.
A new file starts a vassal, a changed file reloads or restarts it, a removed file stops it.
Options may stand in a file too, see
.BR emperor.ini (5).
.B emperor\-native
is the same program with support for C functions in hooks: it replaces
.B emperor
when its file uses them.
.PP
Write a directory with the name of a command with a path, as in
.IR ./check .
.SH COMMANDS
Commands that talk to an emperor find it by
.BR \-\-runtime\-dir .
`

const emperorManualEnd = `.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT ", " SIGQUIT
Stop all vassals, and end. The second one kills the vassals that have not ended.
.TP
.B SIGHUP
Read the emperor's own file again, and reload all vassals.
.TP
.B SIGUSR1
Log the state of each vassal.
.TP
.BR SIGUSR2 ", " SIGURG
Forget all failures, and end every backoff.
.TP
.B SIGWINCH
Rescan the monitored directories.
.SH FILES
.TP
.I /etc/emperor.ini
The options of the emperor in the unit of examples/systemd (\fB\-\-ini\fR).
.TP
.I /etc/vassals
The directory of vassals in that unit.
.TP
.I /run/emperor
The runtime directory (\fBruntime\-dir\fR): the control socket
.IR control.sock ,
a lock with the pid of the emperor, the sockets for notifications of vassals, and a record of resources for the next emperor.
.TP
.I /usr/local/libexec/emperor
The programs that
.B emperor
and
.B vassal
start, unless they are in the directory of these.
.SH ENVIRONMENT
.TP
.B EMPEROR_RUNTIME_DIR
The runtime directory of the emperor to which commands talk.
.TP
.B RUNTIME_DIRECTORY
The runtime directory of an emperor under a service manager.
.TP
.B XDG_RUNTIME_DIR
.I emperor
in it is the runtime directory of an emperor that is not root.
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC
The emperor reports its start, reloads, stop and life to the service manager (sd_notify(3)).
.TP
.B JOURNAL_STREAM
When it is standard error, the log goes to the journal.
.TP
.B NO_COLOR
Commands print no colours.
`

var emperorManualExamples = `.SH EXAMPLES
Find mistakes in files, without starting anything:
.PP
` + example("emperor check /etc/vassals") + `.PP
Run the vassals of a directory in namespaces and networks of their own:
.PP
` + example("emperor --emperor-use-clone pid,uts,net,ipc,fs \\", "    --emperor-network routed /etc/vassals") + `.PP
Show a vassal, follow its lines, and take a change of its file over:
.PP
` + example("emperor status shop", "emperor logs -f shop", "emperor reload --wait shop") + `.SH SEE ALSO
.BR vassal (8),
.BR emperor.ini (5),
.BR emperor\-network (7),
.BR emperor\-hooks (7),
.BR namespaces (7)
`

const vassalManual = `.SH NAME
vassal \- boot and serve one container
.SH SYNOPSIS
.B vassal
.RI [ OPTION ...]
.RB [ \-\-ini ]
.I FILE
.br
.B vassal \-\-pty\-connect
.I ADDRESS
.SH DESCRIPTION
.B vassal
is the first program in a container that
.BR emperor (8)
created: it waits for its network interfaces, runs its hooks, drops privileges, binds its sockets and then serves.
It can be run by hand, and under uWSGI's Emperor.
.PP
The programs that it starts are
.BR vassal\-server (8),
the built\-in server, and
.BR vassal\-helper (8),
which shares the terminal of a worker, and reads YAML and XML.
.B vassal\-native
is the same program with support for C functions in hooks: it replaces
.B vassal
when a file uses them. All are in the directory of
.BR vassal ,
or else in
.IR ../libexec/emperor .
.PP
With
.B \-\-pty\-connect
it becomes a client of a terminal that a vassal shares.
.SH OPTIONS
`

const vassalManualEnd = `.SH EXIT STATUS
.TP
.B 0
Stopped as asked.
.TP
.B 1
The vassal could not boot, or, under an emperor, its configuration is wrong.
.TP
.B 2
The command line is wrong, or a file that it names.
.SH SEE ALSO
.BR emperor (8),
.BR emperor.ini (5),
.BR vassal\-server (8),
.BR vassal\-helper (8)
`

const generalOptions = `.SS General
.TP
\fB\-\-ini\fR \fIFILE\fR
Read options from a file. They count at the position of this option.
.TP
\fB\-\-help\fR [\fIGROUP\fR]
Print the options, all or of one group.
.TP
\fB\-\-version\fR
Print the version.
`

const fileManual = `.SH NAME
emperor.ini \- options of the emperor and of vassals
.SH DESCRIPTION
The files of
.BR emperor (8)
and
.BR vassal (8)
are written in the ini dialect of uWSGI. A line is
.IR name \ =\  value
below a header
.BR [uwsgi] ,
or
.B [emperor]
in the file of the emperor and
.B [vassal]
in the file of a vassal. Lines that begin with
.B ;
or
.B #
are comments. A line without
.B =
is a flag that is on.
.PP
An option that may be repeated adds to earlier ones; of any other option the last one counts.
.PP
\fB$(\fINAME\fB)\fR in a value is an environment variable, \fB%(\fIname\fB)\fR another option or placeholder. A key that is not an
option is a placeholder; with
.B strict
it is an error. \fB%n\fR is the name of the file without its extension, \fB%d\fR its directory, \fB%p\fR its path, \fB%%\fR a percent sign.
.PP
A flag is off for false, off, no and 0. A time is in seconds, or has units, such as 500ms or 1m30s.
`

const fileManualEnd = `.SH EXAMPLE
.EX
[vassal]
http\-socket = :8080
static\-map = /=/srv/www/%n
uid = www\-data
gid = www\-data
strict = true
.EE
.SH SEE ALSO
.BR emperor (8),
.BR vassal (8)
`
