package wire

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
)

// MaxOrder limits the size of an encoded order in bytes. A configuration may have 1 MiB and
// each template 2 MiB; base64 makes them a third longer. The rest is hooks and paths.
const MaxOrder = 16 << 20

// MaxSockets limits the sockets of an order.
const MaxSockets = 192

// MaxTrees limits the mounts of an order.
const MaxTrees = 64

// ErrWithdrawn is returned by ReceiveOrder when the emperor closed the channel without an
// order: the launch was cancelled, and the child exits silently.
var ErrWithdrawn = errors.New("the order was withdrawn")

// Order has all that a child needs before it boots; later orders have all that
// changed. Names, paths and the configuration are bytes, not text: file names on Linux need
// not be UTF-8.
type Order struct {
	// Serial numbers the orders of one process, from 1. A Notice repeats the serial of the
	// order that it answers.
	Serial uint64
	// Name is the vassal's name as its monitor knows it.
	Name []byte
	// Path is the path of the configuration. Messages and magic variables use it; the vassal
	// never opens it again.
	Path []byte
	// Dir is the directory in which relative names of the configuration start.
	Dir []byte
	// Config is the content of the configuration, which was read once.
	Config []byte
	// Templates are the operator's text around the configuration. Nil: none.
	Templates *Templates `json:",omitempty"`
	// Namespaces lists the child's new namespaces, in the form of namespaces.Flags. Empty:
	// none.
	Namespaces string
	// Caged: the vassal has a cgroup by which all its processes can be killed.
	Caged bool `json:",omitempty"`
	// OwnIDs: the ids of its user namespace were chosen for the user that the emperor has read.
	OwnIDs bool `json:",omitempty"`
	// RefuseRoot: while the vassal is root, a configuration without a user is an error.
	RefuseRoot bool `json:",omitempty"`
	// Capabilities are all that the vassal and its programs can have. Nil: no limit.
	Capabilities *namespaces.Capabilities `json:",omitempty"`
	// Trial: the vassal accepts only when its workers have also stayed ready for a moment, and
	// does not fall back, because a configuration that was ready before is launched otherwise.
	Trial bool `json:",omitempty"`
	// UID and GID own the configuration.
	UID, GID uint32
	// Tenant: the owner is a tenant, as whom the vassal runs, and whose text is read after the drop. Nil:
	// the configuration is the operator's.
	Tenant *Tenant `json:",omitempty"`
	// Hooks are the operator's hooks for the child, in the order they run. HookVars are added
	// to the vassal's environment for these hooks, each KEY=value.
	Hooks    []hooks.Spec
	HookVars [][]byte
	// NetworkVars describe the vassal's place in the network, each KEY=value, for all hooks and
	// programs.
	NetworkVars [][]byte `json:",omitempty"`
	// Environ are variables that the child does not have, each KEY=value. They apply while it
	// reads its configuration, and for the operator's hooks.
	Environ [][]byte `json:",omitempty"`
	// Shells are tried in order for the commands of these hooks. HookTimeout limits each hook.
	// Zero: no limit.
	Shells      []string
	HookTimeout time.Duration
	// Libraries are the C libraries for these hooks. LibraryDirs are searched for libraries
	// that are given as a word.
	Libraries   []hooks.Plugin `json:",omitempty"`
	LibraryDirs []string       `json:",omitempty"`
	// Mounts are files of the emperor's that the vassal sees in place of others, in its own mount
	// namespace.
	Mounts []Mount `json:",omitempty"`
	// Proc and FileSystem are its view of the file system.
	Proc       namespaces.ProcView   `json:",omitzero"`
	FileSystem namespaces.FileSystem `json:",omitzero"`
	// Profile is the profile of system calls that the emperor has read. Nil: none.
	Profile *Profile `json:",omitempty"`
	// Program is the program that the vassal executes after the as-vassal hooks, instead of
	// reading its configuration. Nil: none.
	Program *Program `json:",omitempty"`
	// Server has the options for a vassal whose only process is the built-in server, in the form of
	// package serving. Such a vassal gets no other field but the serial, and no first order. Empty: the
	// configuration needs another process.
	Server []byte `json:",omitempty"`
	// Sockets are descriptors of listening sockets of the generation before, whose queues continue in this
	// one. A descriptor of its file (O_PATH) follows each unix socket with a path. Unix sockets without an
	// address are for paths that the vassal binds. The receiver owns them.
	Sockets []int `json:"-"`
	// Trees is the number of mounts for FileSystem, whose descriptors follow these.
	Trees int `json:",omitempty"`
}

// Tenant are the operator's rules for the vassal of a tenant.
type Tenant struct {
	// Initgroups gives the vassal the supplementary groups of its owner.
	Initgroups bool `json:",omitempty"`
	// Allow are options of before the drop that the configuration may contain.
	Allow []string `json:",omitempty"`
}

// Profile is a compiled profile of system calls: the instructions for the file at Path.
type Profile struct {
	Path string
	Code []unix.SockFilter
}

// Mount is a file that a vassal sees at another path.
type Mount struct{ Source, Target string }

// Program is another program of the operator that speaks the bytes of the pipe, such as uwsgi.
type Program struct {
	// Paths of the program, tried in order; the first one that can be executed is used. An
	// empty path means that the vassal executes nothing.
	Paths []string
	// Before and After are its arguments before and after the two that name its configuration.
	Before, After [][]byte `json:",omitempty"`
	// Config gives the program the name of the configuration.
	Config ProgramConfig
	// Env is its whole environment, each KEY=value.
	Env [][]byte
	// Dir is its working directory. Empty: unchanged.
	Dir string `json:",omitempty"`
	// Pipe and Configs are the emperor's descriptors for the program: the pipe, and the socket
	// over which the emperor sends the configuration to a program that cannot open it.
	Pipe, Configs int
}

// ProgramConfig names the configuration as uWSGI's Emperor does: by the vassal's name, which
// is relative to its working directory, or by emperor://NAME where no file has the bytes.
type ProgramConfig struct {
	// Option is the option before the name, such as --ini.
	Option string
	// Name of the vassal, or of the vassal that a zerg reinforces.
	Name []byte
	// Section of the file. Empty: the default section.
	Section string `json:",omitempty"`
	// Printed: the bytes are the output of the executed file.
	Printed bool `json:",omitempty"`
}

// Pushable returns an error when a configuration is too large to be sent over a socket.
func Pushable(text []byte) error {
	if len(text) > uwsgiproto.MaxBody {
		return fmt.Errorf("the configuration has %d bytes: a program of uWSGI's protocol takes %d", len(text), uwsgiproto.MaxBody)
	}
	return nil
}

// NoticeKind is the subject of a Notice.
type NoticeKind string

// The kinds of notices.
const (
	// Ready: the order has taken effect, and the vassal serves.
	Ready NoticeKind = "ready"
	// Failed: the order could not take effect; the vassal continues as before.
	Failed NoticeKind = "failed"
	// Undone: the order could not take effect; the serving workers were ended for it and started
	// again.
	Undone NoticeKind = "undone"
	// Anew: the order needs a new process; the vassal continues as before until then.
	Anew NoticeKind = "anew"
	// Fallback: the vassal runs on its fallback configuration. The text names it and gives the
	// reason. An empty text: the fallback has ended.
	Fallback NoticeKind = "fallback"
	// Listening: the addresses of a fallback configuration, which the emperor does not know.
	Listening NoticeKind = "listening"
	// Status: a line for people, without effect.
	Status NoticeKind = "status"
	// Renew: the process exits on purpose, and another one is to replace it. The text gives
	// the reason.
	Renew NoticeKind = "renew"
	// Exec: the vassal executes another program, which does not use this channel. The closed
	// pipe is no curse then.
	Exec NoticeKind = "exec"
	// Workers: a worker died unasked, or all workers have recovered.
	Workers NoticeKind = "workers"
	// Ended: the process is about to exit. The text gives the reason of a failure, End how
	// its program ended when it was asked to stop.
	Ended NoticeKind = "ended"
	// Gap: a reload left the vassal without a worker for the time in the field of that name. It
	// does not answer an order.
	Gap NoticeKind = "gap"
	// HookEnded: hooks have run. It does not answer an order.
	HookEnded NoticeKind = "hook"
	// Confined: landlock restricts the process from now on, in addition to earlier notices. Without
	// Landlocks they are too long for a notice. It does not answer an order.
	Confined NoticeKind = "confined"
	// Booting: the current wait of a long boot. It does not answer an order.
	Booting NoticeKind = "boot"
	// Refused: a system call of a boot without the vassal program failed (package bootlist). It
	// does not answer an order.
	Refused NoticeKind = "refused"
)

// maxNotice limits an encoded notice in bytes. Longer messages are not read.
const maxNotice = 4 << 10

// Notice is a message of a vassal to the emperor, beyond the bytes of the pipe.
type Notice struct {
	// Serial of the order that the notice answers. Zero: none; Ready and Failed then concern a
	// reload that the vassal started itself.
	Serial uint64 `json:"serial,omitempty"`
	// Kind of the notice.
	Kind NoticeKind `json:"kind"`
	// Text explains it to people, in one line.
	Text string `json:"text,omitempty"`
	// Hooks of a HookEnded notice, in the order they ran.
	Hooks []hooks.Result `json:"hooks,omitempty"`
	// Addresses of a Listening notice, as written in the configuration.
	Addresses []string `json:"addresses,omitempty"`
	// Landlocks of a Confined notice.
	Landlocks []namespaces.Landlock `json:"landlocks,omitempty"`
	// Deaths of a Workers notice.
	Deaths *Deaths `json:"deaths,omitempty"`
	// Gap of a Gap notice.
	Gap time.Duration `json:"gap,omitempty"`
	// Probe of an Exec notice. Nil: the program is ready.
	Probe *Probe `json:"probe,omitempty"`
	// End of an Ended notice. Nil: its text is all there is.
	End *End `json:"end,omitempty"`
	// StopSignal and Mercy of an Exec notice: the signal that asks the program to end, and the
	// time that it has then. Zero: SIGTERM, and the emperor's own time.
	StopSignal int           `json:"stop_signal,omitempty"`
	Mercy      time.Duration `json:"mercy,omitempty"`
	// Program of an Exec notice: the pid, in the vassal's pid namespace, of the child that the
	// vassal supervises as process 1. Zero: the program has replaced the vassal.
	Program int `json:"program,omitempty"`
	// Call of a Refused notice: the number of the call in its list, and its error.
	Call  int           `json:"-"`
	Errno syscall.Errno `json:"-"`
}

// Message returns the encoded notice. ok is false when it is too long to be read.
func (n Notice) Message() (message []byte, ok bool) {
	message, err := encode(n.cut())
	return message, err == nil && len(message) <= maxNotice
}

// Fits reports whether the notice is short enough to be read. The texts of a notice are
// shortened when it is sent.
func (n Notice) Fits() bool {
	_, ok := n.Message()
	return ok
}

// Deaths counts the workers that died unasked.
type Deaths struct {
	// Recent is the number of deaths since all workers last ran long enough. Zero: they have
	// recovered.
	Recent int `json:"recent"`
	// Total is the number of deaths in the life of the process.
	Total int `json:"total"`
	// Exit describes the last death, such as "exit status 1".
	Exit string `json:"exit,omitempty"`
	// Next is the time of the replacement. Zero: there is none, or the workers have recovered.
	Next time.Time `json:"next,omitzero"`
}

// End is the worst end of a vassal's programs after they were asked to stop. The zero value is
// a clean one.
type End struct {
	// Code is the exit status, Signal the signal that ended the program. Zero: none.
	Code   int `json:"code,omitempty"`
	Signal int `json:"signal,omitempty"`
	// Killed: it did not end within reload-mercy.
	Killed bool `json:"killed,omitempty"`
}

// Foreground is the remedy for a program that goes into the background.
const Foreground = "it must stay in the foreground, as by daemon off, daemonize no, --nodaemon or -F"

// StartedAgain follows the reason of a failed reload for which the old workers had been ended.
const StartedAgain = "; the old configuration was started again"

// Probe describes how the emperor tests whether a program that replaced the vassal is ready.
type Probe struct {
	// Kind is tcp, http, exec, or notify: the program sends READY=1 by sd_notify(3).
	Kind string `json:"kind"`
	// Address of tcp and http, and Path of http.
	Address []byte `json:"address,omitempty"`
	Path    []byte `json:"path,omitempty"`
	// Command of exec.
	Command [][]byte `json:"command,omitempty"`
	// Notify: the program must send READY=1 as well, before that.
	Notify bool `json:"notify,omitempty"`
	// Timeout is the longest time until the program must be ready.
	Timeout time.Duration `json:"timeout"`
}

func decodeOrder(text []byte) (Order, error) {
	var o Order
	if err := decode(text, &o); err != nil {
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	}
	return o, nil
}

// decodeNotice ignores unknown fields: an emperor may be older than its vassals.
func decodeNotice(text []byte) (Notice, error) {
	if call, errno, ok := bootlist.Failed(text); ok {
		return Notice{Kind: Refused, Call: call, Errno: errno}, nil
	}
	var n Notice
	if err := decode(text, &n); err != nil {
		return Notice{}, fmt.Errorf("cannot read notice: %w: %w", ErrGarbage, err)
	}
	return n, nil
}
