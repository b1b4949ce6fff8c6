package hooks

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// action performs a hook. It blocks until the hook is done or ctx ends.
type action func(ctx context.Context, s *scene) error

// scene is the state of one run of a phase, on which its actions work.
type scene struct {
	Environment // putenv and chdir change it for the later hooks of the phase
	phase       Phase
	who         Subject       // passed to functions
	own         bool          // this process is the vassal: hooks may change it
	joined      bool          // this process is the helper; its process group is killed as a whole
	shells      []string      // tried in order
	lookup      assist.Lookup // nil: none
	through     Through
	cgroups     *namespaces.CgroupRoot
	within      *namespaces.Cgroup // cgroup in which programs start; nil: see cgroups
	output      func(line string)
}

// absolute returns path for uses where a relative path does not work.
func (s *scene) absolute(p string) string {
	p = s.path(p)
	if a, err := filepath.Abs(p); err == nil {
		return a
	}
	return p
}

// path makes a path of a hook absolute.
func (s *scene) path(p string) string {
	if filepath.IsAbs(p) || s.Dir == "" {
		return p
	}
	return filepath.Join(s.Dir, p)
}

// actionInfo is a row of the table of actions.
type actionInfo struct {
	// Name is the first word. Aliases have the same meaning.
	Name    string
	Aliases []string
	// Args is the syntax after the colon.
	Args string
	// Help describes the action in one line.
	Help string
	// Example is a whole hook, as in a configuration file. A test runs it in new namespaces,
	// with an empty /tmp.
	Example string

	parse func(args string) (action, error)
}

// actions are all actions of hook-PHASE, sorted by name. Rows have only constants and declared functions, so the
// table needs no initialisation, and vassal-server, which parses no hooks, does not contain it.
var actions = []actionInfo{
	{"alarm", nil, "NAME TEXT", "log an alarm", "alarm:disk the disk is full", parseAlarm},
	{"append", nil, "FILE TEXT", "append to a file, which is created if it does not exist", "append:/tmp/motd hello", parseAppend},
	{"appendn", nil, "FILE [TEXT]", "append a line to a file", "appendn:/tmp/motd hello", parseAppendLine},
	{"call", nil, "FUNCTION [ARG]", "call void f(void), or void f(char *) with the argument", "call:tzset", parseCallVoid},
	{"callint", nil, "FUNCTION [NUMBER]", "call void f(void), or void f(int)", "callint:srand 7", parseCallInt},
	{"callintret", nil, "FUNCTION [NUMBER]", "call int f(void), or int f(int); not zero is a failure", "callintret:isdigit 65", parseCallIntRet},
	{"callret", nil, "FUNCTION [ARG]", "call int f(void), or int f(char *); not zero is a failure", "callret:atoi 0", parseCallRet},
	{"chdir", []string{"cd"}, "DIR", "change the working directory", "chdir:/tmp", parseChdir},
	{"chmod", nil, "FILE MODE", "change the mode of a file, in octal", "chmod:/tmp 1777", parseChmod},
	{"chown", nil, "FILE USER GROUP", "change the owner of a file, by names or numbers", "chown:/tmp root root", parseChown},
	{"chown2", nil, "FILE UID GID", "change the owner of a file, by numbers", "chown2:/tmp 0 0", parseChownNumeric},
	{"create", []string{"creat"}, "FILE", "create a file, or truncate it", "create:/tmp/flag", parseCreate},
	{"exec", nil, "COMMAND", "run a command in the shell", "exec:echo $UWSGI_HOOK_PHASE", parseExec},
	{"execv", nil, "PROGRAM ARGS", "run a program without a shell", "execv:echo 'two words'", parseExecv},
	{"exit", nil, "[CODE]", "exit the process; in the emperor: cancel the spawn", "exit:7", parseExit},
	{"hostname", nil, "NAME", "set the host name of the UTS namespace", "hostname:web1", parseHostname},
	{"ifup", nil, "INTERFACE [ADDRESS/LENGTH …]", "add addresses to an interface and set it up", "ifup:lo 127.0.0.2/8", parseIfup},
	{"mkdir", nil, "DIR", "create a directory", "mkdir:/tmp/run", parseMkdir},
	{"mount", nil, "FILESYSTEM SOURCE TARGET [FLAGS [DATA]]", "mount a filesystem", "mount:tmpfs none /tmp nosuid,nodev size=1m", parseMount},
	{"print", []string{"log"}, "TEXT", "log a line", "print:hello", parsePrint},
	{"putenv", nil, "KEY=VALUE", "set an environment variable", "putenv:STAGE=test", parsePutenv},
	{"retryrpc", nil, "", "not supported: uWSGI's remote calls", "", parseAbsent},
	{"rmdir", nil, "DIR", "remove an empty directory", "rmdir:/tmp/empty", parseRmdir},
	{
		"route", nil, "DESTINATION via GATEWAY [dev INTERFACE]", "set a route; default is a destination, and via or dev may be left out",
		"route:192.0.2.0/24 dev lo", parseRoute,
	},
	{"rpc", nil, "", "not supported: uWSGI's remote calls", "", parseAbsent},
	{"safeexec", nil, "COMMAND", "run a command in the shell and ignore its failure", "safeexec:false", parseSafeexec},
	{"signal", nil, "PID|NAME SIGNAL", "send a signal to a process, or to all processes with a name, in the pid namespace", "signal:1 0", parseSignal},
	{"sleep", nil, "TIME", "wait, in seconds or in units such as 200ms", "sleep:10ms", parseSleep},
	{"spinningfifo", nil, "FILE TEXT", "write to a FIFO when it exists and a process reads it", "spinningfifo:/tmp/fifo q", parseSpinningFifo},
	{"sticky", nil, "DIR", "set the sticky bit", "sticky:/tmp", parseSticky},
	{"symlink", nil, "TO LINK", "create a symbolic link", "symlink:/proc/mounts /tmp/mtab", parseSymlink},
	{"sysctl", nil, "KEY=VALUE", "set a kernel parameter of the namespaces", "sysctl:net.ipv4.ip_forward=1", parseSysctl},
	{"umount", nil, "TARGET [FLAGS]", "unmount the filesystem on a directory", "umount:/tmp detach", parseUmount},
	{"unix_signal", nil, "SIGNAL FUNCTION", "handle a signal with a C function", "unix_signal:USR2 tzset", parseUnixSignal},
	{"unlink", nil, "FILE", "remove a file", "unlink:/tmp/old", parseUnlink},
	{"wait_for_dir", nil, "DIR", "wait for a directory", "wait_for_dir:/tmp", parseWaitDir},
	{"wait_for_file", nil, "FILE", "wait for a file", "wait_for_file:/etc/passwd", parseWaitFile},
	{"wait_for_fs", nil, "PATH", "wait for a file or directory", "wait_for_fs:/etc", parseWaitFilesystem},
	{"wait_for_http", nil, "ADDRESS[/PATH]", "wait for a server to answer with 2xx or 3xx", "wait_for_http:127.0.0.1:8080/health", parseWaitHTTP},
	{"wait_for_mountpoint", nil, "DIR", "wait for a mount on a directory", "wait_for_mountpoint:/proc", parseWaitMount},
	{"wait_for_socket", nil, "ADDRESS", "wait until a process listens on HOST:PORT or a path", "wait_for_socket:/tmp/socket", parseWaitSocket},
	{"write", nil, "FILE TEXT", "write a file", "write:/tmp/motd hello", parseWrite},
	{"writefifo", nil, "FILE TEXT", "write to a FIFO; a FIFO without a reader is no failure", "writefifo:/tmp/fifo q", parseWriteFifo},
	{"writen", nil, "FILE TEXT", "write a line to a file", "writen:/tmp/motd hello", parseWriteLine},
}

// parseAction parses action:args.
func (h *Hook) parseAction() (err error) {
	name, args, colon := strings.Cut(h.rest, ":")
	name = strings.TrimSpace(name)
	row := findAction(name)
	switch {
	case row == nil:
		return mistake(meant(name), "unknown action %q", name)
	case !colon:
		return mistake(name+":"+row.Args, "no colon after %q", name)
	}
	if h.action, err = row.parse(args); err != nil {
		return err
	}
	h.symbol = symbolOf(name, args)
	return nil
}

func findAction(name string) *actionInfo {
	for i := range actions {
		if actions[i].Name == name || slices.Contains(actions[i].Aliases, name) {
			return &actions[i]
		}
	}
	return nil
}

// meant returns a hint with the actions that resemble a word, or with all.
func meant(word string) string {
	var names, main []string
	for _, a := range actions {
		main = append(main, a.Name)
		names = append(append(names, a.Name), a.Aliases...)
	}
	if near := suggest.Near(word, slices.Values(names)); near != nil {
		return suggest.Question("", near...)
	}
	return "known are " + strings.Join(main, ", ")
}

// parseOne parses actions with one argument, which may contain spaces.
func parseOne(arg string, do func(s *scene, arg string) error) (action, error) {
	if arg == "" {
		return nil, mistake("", "no argument given")
	}
	return func(_ context.Context, s *scene) error { return do(s, arg) }, nil
}

// parseAbsent rejects uWSGI's remote calls, which emperor does not have, and names a replacement.
func parseAbsent(string) (action, error) {
	return nil, mistake("use exec or call", "uWSGI's remote calls are not supported")
}

// two splits an argument at its first space.
func two(args, syntax string) (first, rest string, err error) {
	first, rest, ok := strings.Cut(args, " ")
	if !ok || first == "" || rest == "" {
		return "", "", mistake("the syntax is "+syntax, "%q lacks an argument", args)
	}
	return first, rest, nil
}
