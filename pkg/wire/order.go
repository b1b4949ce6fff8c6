package wire

import (
	"errors"
	"fmt"
	"time"
)

// MaxOrder bounds the size of an encoded order in bytes. A configuration may be
// 1 MiB, each template 2 MiB, which base64 makes a third longer; the rest is hooks
// and paths.
const MaxOrder = 16 << 20

// ErrWithdrawn is what ReceiveOrder returns when the emperor closed the channel
// without giving an order: the launch was called off, and the child ends quietly.
var ErrWithdrawn = errors.New("the order was withdrawn")

// Order is everything a child must know before it boots, and the next time all
// that changed. Names, paths and the configuration are bytes, not text: file
// names on Linux need not be UTF-8.
type Order struct {
	// Serial numbers the orders of one process, from 1. A Notice names the order
	// that it answers by it.
	Serial uint64
	// Name is the vassal's name as its monitor knows it.
	Name []byte
	// Path is where the configuration was read. It serves messages and the magic
	// variables; the vassal never opens it again.
	Path []byte
	// Dir is the directory at which relative names in the configuration start.
	Dir []byte
	// Config is the content that was read, once.
	Config []byte
	// Templates are what stands around the configuration. Nil: nothing.
	Templates *Templates `json:",omitempty"`
	// Namespaces lists the new namespaces the child is in, as
	// namespaces.Flags prints them. Empty: none.
	Namespaces string
	// Caged: the vassal has a cgroup by which all that it starts can be ended.
	Caged bool `json:",omitempty"`
	// RefuseRoot: while it is root, a configuration that names no user is a mistake.
	RefuseRoot bool `json:",omitempty"`
	// UID and GID own the configuration.
	UID, GID uint32
	// Hooks are the operator's for the child, in the order they run, and HookVars
	// what their environment has more than the vassal's, each KEY=value.
	Hooks    []Hook
	HookVars [][]byte
	// Environ are variables that the child does not have, each KEY=value: for its
	// configuration, while it is read, and for those hooks.
	Environ [][]byte `json:",omitempty"`
	// Shells are tried in order for the commands of these hooks, and HookTimeout
	// bounds each. Zero: no bound.
	Shells      []string
	HookTimeout time.Duration
	// Libraries are those of C for these hooks, and LibraryDirs where those are
	// looked for that are words.
	Libraries   []Library `json:",omitempty"`
	LibraryDirs []string  `json:",omitempty"`
	// Program is what the vassal becomes once the as-vassal hooks are done,
	// instead of reading its configuration. Nil: it stays what it is.
	Program *Program `json:",omitempty"`
}

// Templates are what the operator puts around the configuration of each vassal, in
// the order in which uWSGI's Emperor names it.
type Templates struct {
	InheritBefore, IncludeBefore []Template
	Set                          [][]byte
	Inherit, Include             []Template
	// VassalMagic: magic variables in them are those of the configuration.
	VassalMagic bool
}

// Template is a file as it was read.
type Template struct{ Name, Path, Data []byte }

// Program is another program of the operator's that speaks the bytes of the
// pipe, such as uwsgi.
type Program struct {
	// Paths are those of the program, tried in order: the first that can be
	// executed is. An empty one means that the vassal stays what it is.
	Paths []string
	// Before and After are its arguments around the two that name its configuration.
	Before, After [][]byte `json:",omitempty"`
	// Config is how the configuration is named.
	Config ProgramConfig
	// Env is its whole environment, each KEY=value.
	Env [][]byte
	// Dir is its working directory. Empty: it stays.
	Dir string `json:",omitempty"`
	// Pipe and Configs are the descriptors of the emperor that it gets: of the pipe,
	// and of the socket on which the emperor gives the configuration to a program that
	// cannot open it.
	Pipe, Configs int
}

// ProgramConfig names the configuration to a program as uWSGI's Emperor does: by the
// vassal's name, which is relative to its working directory, or, where no file has the
// bytes, by emperor://NAME.
type ProgramConfig struct {
	// Option is the option that the name follows, such as --ini.
	Option string
	// Name is that of the vassal, or of the one that a zerg reinforces.
	Name []byte
	// Section of the file. Empty: the usual one.
	Section string `json:",omitempty"`
	// Printed: the bytes are the output of the file.
	Printed bool `json:",omitempty"`
}

// maxPush is the largest configuration, in bytes, that a program can be given over a
// socket: the header of uWSGI's packets has 16 bits for the size.
const maxPush = 1<<16 - 1

// Pushable returns an error if a configuration is too large to be given over a socket.
func Pushable(text []byte) error {
	if len(text) > maxPush {
		return fmt.Errorf("the configuration has %d bytes: a program of uWSGI's protocol takes %d", len(text), maxPush)
	}
	return nil
}

// Library is a shared library of C; its fields are those of hooks.Plugin.
type Library struct {
	Name, Init string
	Optional   bool
}

// Hook is a hook as the operator wrote it. The vassal parses it again: what
// crosses the process border is text, and the emperor has parsed it before.
type Hook struct {
	// Phase, Kind and Text are those of hooks.Spec.
	Phase, Kind, Text string
	// Origin is the file:line of the hook, for messages.
	Origin string
}

// NoticeKind says what a Notice is about.
type NoticeKind string

// The kinds of notices.
const (
	// Ready: the order has taken effect, and somebody answers.
	Ready NoticeKind = "ready"
	// Failed: the order could not take effect; what was before goes on.
	Failed NoticeKind = "failed"
	// Anew: the order takes a new process; what was before goes on until then.
	Anew NoticeKind = "anew"
	// Fallback: the vassal runs on its fallback configuration, and the text names
	// it and says why. Without a text it no longer does.
	Fallback NoticeKind = "fallback"
	// Listening: the addresses of a fallback configuration, which the emperor does
	// not know.
	Listening NoticeKind = "listening"
	// Status: a line for people, of no consequence.
	Status NoticeKind = "status"
	// Renew: the process ends on purpose, and another is to take its place. The text
	// says why.
	Renew NoticeKind = "renew"
	// Exec: the vassal becomes another program, which speaks none of this. That
	// the pipe closes with it is no curse.
	Exec NoticeKind = "exec"
	// Workers: a worker has died that nobody had asked to, or all have recovered.
	Workers NoticeKind = "workers"
	// HookEnded: hooks have run. It says nothing about orders.
	HookEnded NoticeKind = "hook"
	// Booting: what a boot that takes its time waits for. It says nothing about orders.
	Booting NoticeKind = "boot"
)

// MaxNotice bounds an encoded notice in bytes. What is longer is not read.
const MaxNotice = 4 << 10

// Notice is what a vassal tells the emperor beyond the bytes of the pipe.
type Notice struct {
	// Serial is that of the order it answers. Zero: none; Ready and Failed are about a
	// reload of the vassal's own then.
	Serial uint64 `json:"serial,omitempty"`
	// Kind says what it means.
	Kind NoticeKind `json:"kind"`
	// Text explains it to people, in one line.
	Text string `json:"text,omitempty"`
	// Hooks are what a notice of the kind HookEnded is about, in the order they ran.
	Hooks []HookEnd `json:"hooks,omitempty"`
	// Addresses are what a notice of the kind Listening is about, as they are written.
	Addresses []string `json:"addresses,omitempty"`
	// Deaths is what a notice of the kind Workers is about.
	Deaths *Deaths `json:"deaths,omitempty"`
	// Probe belongs to a notice of the kind Exec. Nil: the program is ready.
	Probe *Probe `json:"probe,omitempty"`
	// Program belongs to it, too: the child that the vassal stands in for, in the
	// vassal's pid namespace. Zero: the program has taken the vassal's place.
	Program int `json:"program,omitempty"`
}

// Fits reports whether the notice is short enough to be read. Its texts are cut.
func (n Notice) Fits() bool {
	text, err := encode(n.cut())
	return err == nil && len(text) <= MaxNotice
}

// Deaths are those of workers that nobody had asked to leave.
type Deaths struct {
	// Recent is how many have died since all lived long. Zero: they have recovered.
	Recent int `json:"recent"`
	// Total is how many have died in the life of the process.
	Total int `json:"total"`
	// Exit is how the last one ended, such as "exit status 1".
	Exit string `json:"exit,omitempty"`
	// Next is when it is replaced. Zero: it is not, or they have recovered.
	Next time.Time `json:"next,omitzero"`
}

// Probe says how the emperor finds out that a program is ready which took the
// vassal's place.
type Probe struct {
	// Kind is tcp, http, exec, or notify: it says READY=1 by sd_notify(3).
	Kind string `json:"kind"`
	// Address of tcp and http, and Path of http.
	Address []byte `json:"address,omitempty"`
	Path    []byte `json:"path,omitempty"`
	// Command of exec.
	Command [][]byte `json:"command,omitempty"`
	// Timeout is the longest time it may take.
	Timeout time.Duration `json:"timeout"`
}

// HookEnd is the end of one hook in a vassal. Its fields are those of hooks.Result.
type HookEnd struct {
	Phase  string        `json:"phase"`
	Index  int           `json:"index"`
	Text   string        `json:"text"`
	Exit   string        `json:"exit,omitempty"`
	Code   int           `json:"code,omitempty"`
	Signal int           `json:"signal,omitempty"`
	Took   time.Duration `json:"took"`
}

func decodeOrder(text []byte) (Order, error) {
	var o Order
	if err := decode(text, &o); err != nil {
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	}
	return o, nil
}

// decodeNotice is not strict about what it does not know: an emperor may be
// older than its vassals.
func decodeNotice(text []byte) (Notice, error) {
	var n Notice
	if err := decode(text, &n); err != nil {
		return Notice{}, fmt.Errorf("cannot read notice: %w: %w", ErrGarbage, err)
	}
	return n, nil
}
