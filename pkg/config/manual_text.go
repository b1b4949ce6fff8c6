package config

const emperorManual = `.SH NAME
emperor \- supervise a directory of containers
.SH SYNOPSIS
.B emperor
.RI [ OPTION ...]\  DIR ...
.br
.B emperor check
.RB [ \-\-ini
.IR FILE ]\ [\c
.BR \-\-json ]
.IR FILE | DIR ...
.br
.B emperor config
.RB [ \-\-ini
.IR FILE ]\ [\c
.BR \-\-all ]\ [\c
.BR \-\-json ]
.IR NAME | FILE
.br
.B emperor completion
.BR bash | zsh | fish
.SH DESCRIPTION
.B emperor
watches directories of configuration files. For each file it makes a process in new namespaces, runs the operator's hooks,
and keeps it alive: a vassal.
A file that appears starts one, a file that changes reloads or restarts it, a file that goes stops it.
Options may stand in a file too, see
.BR emperor.ini (5).
.B emperor\-native
is the same program for functions of C in hooks: it takes the place of
.B emperor
where its file has them.
.PP
A directory that is called like one of the commands is written with a path, as in
.IR ./check .
.SH COMMANDS
.TP
.B check
Parse and check files without starting anything. Mistakes and warnings are printed one a line. A directory stands for the
vassals in it.
.B \-\-ini
names the emperor's own file, by which it is known in which namespaces vassals run.
.TP
.B config
Print the options of a vassal that count, each with its origin, or, with
.BR \-\-all ,
those with their defaults as well.
.TP
.B completion
Print a script that completes options and commands in a shell.
.SH OPTIONS
`

const emperorManualEnd = `.SH EXIT STATUS
.TP
.B 0
Stopped as asked; or
.B check
found no mistake.
.TP
.B 1
Failed; or
.B check
found mistakes.
.TP
.B 2
The command line or the emperor's own file is wrong.
.TP
.B 3
A command: no emperor answers.
.TP
.B 4
A command: there is no such vassal.
.SH SEE ALSO
.BR vassal (8),
.BR emperor.ini (5),
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
is the program inside a container that
.BR emperor (8)
made: it waits for its network interfaces, runs its hooks, drops privileges, binds its sockets and then serves.
It can be run by hand, and under uWSGI's Emperor.
.PP
The programs that it starts are
.BR vassal\-server (8),
the built\-in server,
.BR vassal\-pty (8),
which shares the terminal of a worker, and
.BR vassal\-parse (8),
which reads YAML and XML.
.B vassal\-native
is the same program for functions of C in hooks: it takes the place of
.B vassal
where a file has them. All are looked for in the directory of
.B vassal
first.
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
.BR vassal\-pty (8),
.BR vassal\-parse (8)
`

const generalOptions = `.SS General
.TP
\fB\-\-ini\fR \fIFILE\fR
Read options from a file. They count in the place of the option.
.TP
\fB\-\-help\fR [\fIGROUP\fR]
Print the options, or those of one group.
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
in that of a vassal. Lines that begin with
.B ;
or
.B #
are comments. A line without
.B =
is a flag that is on.
.PP
Options may be repeated: those that say so add up, of all others the last one counts.
.PP
\fB$(\fINAME\fB)\fR in a value stands for a variable of the environment, \fB%(\fIname\fB)\fR for another option or placeholder. A key that is no
option is a placeholder; with
.B strict
it is a mistake. \fB%n\fR is the name of the file without its extension, \fB%d\fR its directory, \fB%p\fR its path, \fB%%\fR a percent sign.
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
