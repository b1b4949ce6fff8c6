// Package directboot makes the boot of vassals that need no program of ours inside: the steps of
// package vassal that concern them, as system calls.
package directboot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/announce"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Boot is the part of a configuration that its boot needs. It implements emperor.DirectBoot.
type Boot struct {
	words     []string // nil: the program is the built-in server
	server    *server
	wish      accounts.Wish
	env       []config.EnvChange
	keep      *namespaces.Capabilities // nil: none
	cwd       string                   // of the whole boot
	chdir     string
	umask     int // -1: unchanged
	listening listening
	limits    config.Limits
	hardening hardening
	notice    [2]notice // about the program: with a socket for sd_notify(3) at 1
	blame     []blame
	failed    atomic.Bool // a call has failed: the vassal program finds out more
}

// Of returns the boot of a vassal. Nil: it needs the vassal program, as every vassal can. The
// vassal program also reports warnings.
func Of(v *config.Vassal, warnings config.Problems) *Boot {
	path := func(e config.EnvChange) bool { return e.Key == "PATH" }
	if !config.Direct(v) || len(warnings) > 0 || v.Mentions("UWSGI_VASSAL_NAME") || slices.ContainsFunc(v.Env, path) {
		return nil
	}
	sockets, ok := listeningOf(v)
	if !ok {
		return nil
	}
	b := &Boot{
		listening: sockets,
		words:     v.BinaryPatch, wish: accounts.Wish{UID: v.UID, GID: v.GID, AddGID: v.AddGID, NoInitgroups: v.NoInitgroups},
		keep: v.Capabilities.Given(), env: v.Env, cwd: v.Cwd, chdir: v.Chdir, umask: -1, limits: v.Limits,
		hardening: hardening{v.Hardening.NoNewPrivileges, v.Hardening.Files, v.Hardening.Core, v.Hardening.Locked},
	}
	if v.UmaskSet {
		b.umask = v.Umask
	}
	if b.server = serverOf(v, sockets); b.server != nil {
		return b
	}
	for i, notifies := range []bool{false, true} {
		n := announce.Program(v, 0, notifies)
		text, ok := n.Message()
		if !ok {
			return nil
		}
		b.notice[i] = notice{text, n.Probe == nil}
	}
	for _, option := range []string{"unprivileged-binary-patch-arg", "unprivileged-binary-patch", "cap", "cwd", "chdir", "no-new-privileges", "limit-core", "limit-memlock", "limit-nofile"} {
		if v.Origin(option) != (config.Origin{}) {
			b.blame = append(b.blame, blame{option, strings.TrimSuffix(v.Blame(option, "", errHere).Error(), errHere.Error())})
		}
	}
	return b
}

// hardening is the part of config.Hardening that a boot can have.
type hardening struct {
	noNewPrivileges     bool
	files, core, locked config.Range
}

// notice is an encoded message about the program. ready: the program is ready when it is executed.
type notice struct {
	text  []byte
	ready bool
}

// blame is the place of an option, for messages.
type blame struct{ option, place string }

// errHere stands for an error in the texts of blame.
var errHere = errors.New("\x00")

// blamed adds the option, with its line, to an error.
func (b *Boot) blamed(options ...string) func(error) error {
	return func(err error) error {
		for _, o := range options {
			if i := slices.IndexFunc(b.blame, func(x blame) bool { return x.option == o }); i >= 0 {
				return &blamedError{b.blame[i].place, err}
			}
		}
		return err
	}
}

// blamedError is an error behind the place and the name of an option.
type blamedError struct {
	place string
	error
}

func (e *blamedError) Error() string { return e.place + e.error.Error() }

func (e *blamedError) Unwrap() error { return e.error }

// errUnsuited is wrapped by errors about a vassal for which the vassal program is needed after all.
var errUnsuited = errors.New("it needs the vassal program")

// Program implements emperor.DirectBoot.
func (b *Boot) Program() string {
	if b.server != nil {
		return ""
	}
	return b.words[0]
}

// Failed implements emperor.DirectBoot.
func (b *Boot) Failed() { b.failed.Store(true) }

// List implements emperor.DirectBoot.
func (b *Boot) List(r emperor.DirectRequest) (*bootlist.List, error) {
	if b.failed.Load() {
		return nil, errUnsuited
	}
	who, login, err := b.wish.ResolveLogin()
	if err != nil {
		return nil, err // the vassal program reports it
	}
	env, err := b.environ(r.Environ, login, r.Network.Vars())
	if err != nil {
		return nil, err
	}
	passed, ok := b.listening.given(r.Kept, r.Unbound, who.UID, b.umask)
	if !ok {
		return nil, errUnsuited
	}
	r = b.listening.arrange(r, passed)
	if b.server != nil {
		if r.Server == nil {
			return nil, errUnsuited
		}
		r.Files = append(slices.Clip(r.Files), r.Server)
	}
	l := &bootlist.List{Files: r.Files, Report: r.Orders}
	b.begin(l, r)
	if err := b.prepare(l, r, who.UID); err != nil {
		return nil, err
	}
	l.Step("drop privileges")
	if who.Keep = b.keep; who.Keep != nil && who.UID == 0 {
		return nil, errUnsuited // the kernel gives root others
	}
	l.BecomeAs(who, b.blamed("cap"))
	l.Deathsig(r.Deathsig)
	b.confine(l, int(who.UID))
	sockets, err := b.listening.add(l, r.Namespaces, passed)
	if err != nil {
		return nil, err
	}
	l.Step("become another program")
	if b.server != nil {
		return l, b.serve(l, r, env)
	}
	return l, b.execute(l, r, append(env, sockets...))
}

// execute adds the program of the tenant, which is the last step.
func (b *Boot) execute(l *bootlist.List, r emperor.DirectRequest, env []string) error {
	path, ok := find(b.words[0], valueOf(env, "PATH"))
	if !ok {
		return errUnsuited
	}
	notice := b.notice[0]
	if r.Notify != "" {
		notice = b.notice[1]
		env = append(env, "NOTIFY_SOCKET="+r.Notify)
	}
	patch := b.blamed("unprivileged-binary-patch-arg", "unprivileged-binary-patch")
	// The file is not examined: this process may read files that the tenant may not.
	failed := func(err error) error { return patch(fmt.Errorf("cannot become %q: %w", b.words[0], err)) }
	l.MayExecute(path, failed)
	if notice.ready {
		l.Send(r.Pipe, []byte{byte(wire.Accepting)})
	}
	l.Send(r.Orders, notice.text)
	l.Heed(r.Pipe)
	if err := b.limit(l); err != nil {
		return err
	}
	l.Exec(path, b.words, env, failed)
	return nil
}

// begin adds the steps until the vassal may run.
func (b *Boot) begin(l *bootlist.List, r emperor.DirectRequest) {
	l.Step("seal descriptors")
	l.Seal()
	l.Session()
	l.Enter(r.Dir, func(err error) error { return programs.CannotEnter(r.Dir, os.Geteuid(), err) })
	l.Deathsig(r.Deathsig)
	if r.Keyring {
		l.Keyring()
	}
	l.Send(r.Pipe, []byte{byte(wire.Spawned)})
	l.Step("wait for the order")
	l.Park(r.Orders)
}

// prepare adds the steps with all privileges.
func (b *Boot) prepare(l *bootlist.List, r emperor.DirectRequest, uid uint32) error {
	l.Step("prepare mounts")
	l.Mounts(r.Namespaces)
	if err := attach(l, r); err != nil {
		return err
	}
	if r.Capabilities != nil {
		if uid == 0 {
			return errUnsuited // root keeps some
		}
		l.Step("limit capabilities")
		if err := l.Bound(*r.Capabilities); err != nil {
			return err
		}
	}
	if b.cwd != "" {
		l.Step("start directory")
		l.Enter(b.cwd, func(err error) error { return b.blamed("cwd")(programs.CannotEnter(b.cwd, os.Geteuid(), err)) })
	}
	l.Step("limit resources")
	for _, x := range []struct {
		option   string
		resource int
		config.Range
	}{{"limit-core", unix.RLIMIT_CORE, b.hardening.core}, {"limit-memlock", unix.RLIMIT_MEMLOCK, b.hardening.locked}, {"limit-nofile", unix.RLIMIT_NOFILE, b.hardening.files}} {
		if x.Set {
			l.Resource(x.resource, x.Soft, x.Hard, b.blamed(x.option))
		}
	}
	return nil
}

// attach adds the mounts of the network's files. The host has the files below them, which no link can lead elsewhere;
// the vassal program warns about others, or follows them.
func attach(l *bootlist.List, r emperor.DirectRequest) error {
	if r.Network == nil || !r.Namespaces.Has(namespaces.NewMount) {
		return nil
	}
	for _, m := range r.Network.Mounts {
		if info, err := os.Lstat(m.Target); err != nil || !info.Mode().IsRegular() {
			return errUnsuited
		}
		l.Bind(m.Source, m.Target)
	}
	return nil
}

// confine adds the steps between the drop and the program.
func (b *Boot) confine(l *bootlist.List, uid int) {
	if b.hardening.noNewPrivileges {
		l.Step("no new privileges")
		l.NoNewPrivileges(b.blamed("no-new-privileges"))
	}
	l.Step("change directory")
	if b.umask >= 0 {
		l.Umask(b.umask)
	}
	if b.chdir != "" {
		l.Enter(b.chdir, func(err error) error { return b.blamed("chdir")(programs.CannotEnter(b.chdir, uid, err)) })
	}
}

// limit adds the limits of config.Limits. A hard limit of this process that is lower stays.
func (b *Boot) limit(l *bootlist.List) error {
	for _, x := range []struct {
		name     string
		resource int
		most     uint64
	}{{"limit-nproc", unix.RLIMIT_NPROC, b.limits.Processes}, {"limit-as", unix.RLIMIT_AS, b.limits.AddressSpace}} {
		if x.most == 0 {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(x.resource, &now); err != nil {
			return err
		}
		most := min(x.most, now.Max)
		l.Resource(x.resource, most, most, func(err error) error { return &blamedError{x.name + ": ", err} })
	}
	return nil
}

// environ returns the environment of the program, from the variables that vassals get and the ones of its place in the
// network.
func (b *Boot) environ(of []string, login accounts.Login, network []string) ([]string, error) {
	vars := environ.Without(of, environ.ForOneProcess)
	for _, v := range network {
		key, value, _ := strings.Cut(v, "=")
		vars.Set(key, value)
	}
	for _, own := range [][2]string{{"HOME", login.Home}, {"USER", login.Name}, {"LOGNAME", login.Name}} {
		if vars.Index(own[0]) < 0 {
			vars.Set(own[0], own[1])
		}
	}
	if err := vars.Change(b.env); err != nil {
		return nil, err
	}
	slices.Sort(vars)
	return vars, nil
}

func valueOf(env environ.Vars, key string) string {
	if i := env.Index(key); i >= 0 {
		return strings.TrimPrefix(env[i], key+"=")
	}
	return ""
}

// find returns the program of a name, if it is certain that the user of the vassal finds the same one.
// It opens no file.
func find(name, path string) (string, bool) {
	if strings.Contains(name, "/") {
		info, err := os.Stat(name)
		return name, filepath.IsAbs(name) && err == nil && runnable(info)
	}
	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			return "", false
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		return file, err == nil && runnable(info) && programs.ForAll(file)
	}
	return "", false
}

func runnable(info os.FileInfo) bool { return info.Mode().IsRegular() && info.Mode()&0o111 != 0 }
