package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/seccomp"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// report records a finding about one option: at the position of the option, or at the given one
// when several lines have the option.
type report func(key, what, hint string, at ...config.Origin)

// checks run on every vassal. They are sorted by name.
var checks = []struct {
	name     string
	severity Severity
	run      func(s Subject, found report)
}{
	{"account-unknown", Error, accountUnknown},
	{"address-unknown", Warning, addressUnknown},
	{"capability-refused", Error, capabilityRefused},
	{"command-missing", Warning, commandMissing},
	{"command-not-executable", Error, commandNotExecutable},
	{"directory-closed", Warning, directoryClosed},
	{"directory-missing", Warning, directoryMissing},
	{"interface-of-the-host", Warning, interfaceOfTheHost},
	{"mercy-too-long", Warning, mercyTooLong},
	{"namespace-missing", Error, namespaceMissing},
	{"profile-wrong", Error, profileWrong},
	{"root-by-default", Warning, rootByDefault},
	{"root-refused", Error, rootRefused},
	{"socket-is-directory", Error, socketIsDirectory},
	{"socket-without-directory", Warning, socketWithoutDirectory},
	{"user-refused", Error, userRefused},
}

// emperorChecks run on the emperor's own options.
var emperorChecks = []struct {
	name     string
	severity Severity
	run      func(e *config.Emperor, found report)
}{
	{"link-into-the-host", Error, linkIntoTheHost},
	{"monitor-missing", Error, monitorMissing},
}

// accountUnknown: users and groups must be in the user database.
func accountUnknown(s Subject, found report) {
	v := s.Vassal
	check := func(key string, i config.Identity, resolve func(config.Identity) (uint32, error)) {
		if i.Name == "" {
			return
		}
		_, err := resolve(i)
		if unknown, ok := errors.AsType[*accounts.UnknownError](err); ok {
			found(key, unknown.What(), unknown.Hint())
		} else if err != nil {
			found(key, err.Error(), "")
		}
	}
	check("uid", v.UID, accounts.UID)
	check("gid", v.GID, accounts.GID)
	for _, g := range v.AddGID {
		check("add-gid", g, accounts.GID)
	}
	check("chown-socket", v.Listening.Owner, accounts.UID)
	check("chown-socket", v.Listening.Group, accounts.GID)
}

// addresses returns all addresses that a vassal binds itself.
func addresses(v *config.Vassal) []config.Socket {
	var list []config.Socket
	for _, s := range v.Sockets {
		if _, shared := s.Shared(); !shared {
			list = append(list, s)
		}
	}
	for _, a := range v.Listening.Shared {
		list = append(list, config.Socket{Name: "shared-socket", Address: a})
	}
	return list
}

// addressUnknown: the host of an address is a name that this host does not know. The vassal may
// have an /etc/hosts of its own.
func addressUnknown(s Subject, found report) {
	for _, a := range addresses(s.Vassal) {
		to, err := address.Parse(a.Address)
		if err != nil || to.Path != "" {
			continue
		}
		if _, err := to.IP(); err != nil {
			found(a.Name, err.Error(), "no name server is asked: give the IP address, or :PORT for all", s.Vassal.OriginOf(a.Name, a.Address))
		}
	}
}

// commandMissing: the program, or its interpreter, does not exist here. A mount of the vassal may still provide it.
func commandMissing(s Subject, found report) {
	for _, p := range programsOf(s.Vassal) {
		if e := p.look(s.Vassal); e != nil && !p.barred(s.Vassal) {
			found(p.key, e.What(), e.Hint, p.at...)
		}
	}
}

// commandNotExecutable: the program exists, and no user may execute it.
func commandNotExecutable(s Subject, found report) {
	for _, p := range programsOf(s.Vassal) {
		if e := p.look(s.Vassal); e != nil && p.barred(s.Vassal) {
			found(p.key, e.What(), e.Hint, p.at...)
		}
	}
}

// started is a program that a vassal runs or becomes, and its option. at is the position of one
// of several lines with that option.
type started struct {
	key, name string
	at        []config.Origin
}

// programsOf are all of a vassal. Lines for a shell are the shell's to judge.
func programsOf(v *config.Vassal) (list []started) {
	add := func(key string, words []string) {
		if len(words) > 0 {
			list = append(list, started{key: key, name: words[0]})
		}
	}
	add("command", v.Command)
	if v.Workers.ExecHooks {
		add("worker-exec2", v.Workers.Exec)
	} else {
		add("worker-exec", v.Workers.Exec)
	}
	add(patchKey(v, "unprivileged-binary-patch"), v.BinaryPatch)
	add(patchKey(v, "privileged-binary-patch"), v.RootPatch)
	add("pty-exec", v.Terminal.Exec)
	if v.Ready.Probe.Kind == "exec" {
		add("ready-probe", v.Ready.Probe.Command)
	}
	for i, d := range v.Daemons {
		if !d.Shell && len(d.Command) > 0 {
			key, at := v.DaemonOption(i)
			list = append(list, started{key, d.Command[0], []config.Origin{at}})
		}
	}
	return list
}

// patchKey is how a program that takes the vassal's place was given.
func patchKey(v *config.Vassal, key string) string {
	if v.Origin(key+"-arg") != (config.Origin{}) {
		return key + "-arg"
	}
	return key
}

// look returns the reason why the program cannot be run.
func (p started) look(v *config.Vassal) *programs.Error {
	path := os.Getenv("PATH")
	for _, e := range v.Env {
		if e.Key == "PATH" {
			path = e.Value
		}
	}
	name := p.name
	if strings.Contains(name, "/") {
		name = within(v, name)
	}
	return programs.Look(name, path)
}

// barred reports whether there is a file, which is no program.
func (p started) barred(v *config.Vassal) bool {
	if !strings.Contains(p.name, "/") {
		return false
	}
	info, err := os.Stat(within(v, p.name))
	return err == nil && (info.IsDir() || info.Mode()&0o111 == 0)
}

// directoryMissing: a directory that the vassal serves or works in does not exist.
func directoryMissing(s Subject, found report) {
	if dir := s.Vassal.Chdir; dir != "" && !exists(dir, fs.ModeDir) {
		found("chdir", fmt.Sprintf("there is no directory %q", dir), "")
	}
	for _, path := range servedPaths(s.Vassal) {
		if _, err := os.Stat(within(s.Vassal, path)); err != nil {
			found("static-map", fmt.Sprintf("there is no %q", path), "")
		}
	}
}

// interfaceOfTheHost: without a network namespace, a vassal waits for an interface of the
// host, and its hooks change that interface.
func interfaceOfTheHost(s Subject, found report) {
	if s.Emperor == nil {
		return
	}
	for _, p := range HostInterfaces(s.Vassal, s.Emperor.Clone) {
		found(p.Key, p.What, p.Hint)
	}
}

// HostInterfaces warns about interfaces of the host: a vassal without a network namespace
// waits for these. It reads no file.
func HostInterfaces(v *config.Vassal, clone namespaces.Flags) (warnings config.Problems) {
	if clone.Has(namespaces.NewNet) {
		return nil
	}
	for _, w := range v.WaitForInterface {
		warnings = append(warnings, config.Problem{
			Origin: v.Origin("wait-for-interface"), Key: "wait-for-interface",
			What: fmt.Sprintf("the vassal gets no network namespace: %q would be an interface of the host", w.Name), Hint: "net in emperor-use-clone",
		})
	}
	return warnings
}

// namespaceMissing: options about files, and the defaults of tenants, need a mount namespace.
func namespaceMissing(s Subject, found report) {
	if s.Emperor == nil || s.Emperor.Unsure("emperor-use-clone") {
		return
	}
	if p, ok := config.Unmountable(s.Vassal, s.Emperor.Clone); ok {
		found(p.Key, p.What, p.Hint, p.Origin)
	}
	if p, ok := config.Unmapped(s.Vassal, s.Emperor.IDs.Given()); ok {
		found(p.Key, p.What, p.Hint, p.Origin)
	}
	if p, ok := config.Shared(s.Vassal, s.Emperor.Clone); ok {
		found(p.Key, p.What, p.Hint, p.Origin)
	}
}

// profileWrong finds mistakes in the profile of system calls, at its own lines.
func profileWrong(s Subject, found report) {
	path := s.Vassal.Hardening.Profile
	if path == "" {
		return
	}
	_, err := seccomp.Read(path, s.Vassal.Holds)
	own, ok := errors.AsType[config.Problems](err)
	for _, p := range own {
		found(p.Key, p.What, p.Hint, p.Origin)
	}
	if err != nil && !ok {
		m := problem.Of(err)
		found("system-call-filter", m.What, m.Hint)
	}
}

// mercyTooLong finds a reload-mercy that the emperor does not wait for.
func mercyTooLong(s Subject, found report) {
	if s.Emperor == nil || s.Emperor.ReloadMercy == 0 || s.Vassal.ReloadMercy <= s.Emperor.ReloadMercy {
		return
	}
	found("reload-mercy", fmt.Sprintf("the emperor kills the vassal after its own reload-mercy, %v", s.Emperor.ReloadMercy), "raise that in the emperor's file")
}

// rootByDefault: a vassal without a user runs as root when its emperor does.
func rootByDefault(s Subject, found report) {
	switch e := s.Emperor; {
	case !s.Root, s.Vassal.Unread(), e != nil && (e.RefuseRoot || e.UID.Set && e.UID.String() != "0" && e.UID.String() != "root"):
		return
	}
	if p, ok := s.Vassal.Unnamed(s.File); ok {
		found(p.Key, p.What, p.Hint)
	}
}

// rootRefused: the emperor refuses vassals that run as root.
func rootRefused(s Subject, found report) {
	if s.Emperor == nil || !s.Emperor.RefuseRoot || s.Vassal.Unread() {
		return
	}
	if p, ok := s.Vassal.Unnamed(s.File); ok {
		found(p.Key, p.What, p.Hint)
	}
}

// capabilityRefused: the emperor does not let vassals have a capability.
func capabilityRefused(s Subject, found report) {
	if s.Emperor == nil {
		return
	}
	if p, ok := s.Vassal.Exceeding(s.Emperor.Capabilities.Given()); ok {
		found(p.Key, p.What, p.Hint)
	}
}

// socketIsDirectory: a socket cannot replace a directory.
func socketIsDirectory(s Subject, found report) {
	for _, a := range addresses(s.Vassal) {
		if address.InFiles(a.Address) && exists(within(s.Vassal, a.Address), fs.ModeDir) {
			found(a.Name, fmt.Sprintf("%q is a directory", a.Address), "name a file in it")
		}
	}
}

// socketWithoutDirectory: the directory of a socket must exist.
func socketWithoutDirectory(s Subject, found report) {
	for _, a := range addresses(s.Vassal) {
		dir := filepath.Dir(within(s.Vassal, a.Address))
		if address.InFiles(a.Address) && !exists(dir, fs.ModeDir) {
			found(a.Name, fmt.Sprintf("there is no directory %q", dir), "")
		}
	}
}

// userRefused: the vassals of an emperor that drops root cannot become another user.
func userRefused(s Subject, found report) {
	e, v := s.Emperor, s.Vassal
	wish := accounts.Wish{UID: v.UID, GID: v.GID}
	if e == nil || !e.UID.Set || e.Clone.Has(namespaces.NewUser) || wish.None() {
		return
	}
	has, err := accounts.Wish{UID: e.UID, GID: e.GID}.Resolve()
	if err != nil || has.UID == 0 {
		return
	}
	wants, err := wish.Resolve()
	if err != nil { // account-unknown reports that
		return
	}
	key := "uid"
	if !v.UID.Set {
		key, wants.UID = "gid", has.UID
	}
	if wants.UID != has.UID || wants.GID != has.GID {
		found(key, fmt.Sprintf("the vassal cannot become uid %d, gid %d: its emperor drops root for uid %d, gid %d", wants.UID, wants.GID, has.UID, has.GID),
			"remove uid and gid here, or from the emperor's file")
	}
}

// within returns a path as the vassal resolves it after chdir.
func within(v *config.Vassal, path string) string {
	if filepath.IsAbs(path) || v.Chdir == "" {
		return path
	}
	return filepath.Join(v.Chdir, path)
}

func exists(path string, kind fs.FileMode) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == kind
}

// linkIntoTheHost: a hook moves a link into the network namespace of a vassal that has none.
// The link would stay in the host's namespace.
func linkIntoTheHost(e *config.Emperor, found report) {
	if e.Clone&namespaces.NewNet != 0 || e.Unsure("emperor-use-clone") {
		return
	}
	for _, h := range e.Hooks[hooks.AsEmperor] {
		if text := h.Spec().Text; strings.Contains(text, "netns") && strings.Contains(text, "UWSGI_VASSAL_PID") {
			found(h.Spec().Option(), "a link is moved into the vassal's network namespace, but vassals get none", "net in emperor-use-clone")
		}
	}
}

// monitorMissing: the monitored directory must exist.
func monitorMissing(e *config.Emperor, found report) {
	for _, m := range e.Monitors {
		if !strings.Contains(m, "://") && !strings.ContainsAny(m, "*?[") && !exists(m, fs.ModeDir) && !exists(m, 0) {
			found("emperor", fmt.Sprintf("there is no directory %q", m), "")
		}
	}
}
