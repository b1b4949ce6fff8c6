package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/wire"
)

// ownBoot is the boot of a child by a list of system calls. The zero value is a boot by the vassal program.
// It belongs to the launch, and then to the goroutine that receives from the child.
type ownBoot struct {
	by      emperor.DirectBoot // nil: the vassal program boots it, if by a list, then as its program
	list    *bootlist.List     // nil: there is none, or its program runs
	refused *wire.Notice       // about the call that failed; nil: none has
	// foreseen is the place in the network that the list takes for granted. Nil: none.
	foreseen *emperor.Attachment
}

// errMoved is the error of a list that was made for another place in the network.
var errMoved = errors.New("its place in the network has changed while it started (the vassal program boots it next time)")

// direct reports whether the list leads to a program of the tenant or to the built-in server.
func (b *ownBoot) direct() bool { return b.list != nil && b.by != nil }

// fits returns an error when a list was made for another place in the network than the child has got. Files that the
// network has not written are no difference: the list leaves them out.
func (b *ownBoot) fits(is *emperor.Attachment) error {
	if is == nil && b.foreseen == nil {
		return nil
	}
	if is == nil || b.foreseen == nil || !slices.Equal(is.Vars(), b.foreseen.Vars()) ||
		len(is.Mounts) > 0 && !slices.Equal(is.Mounts, b.foreseen.Mounts) {
		b.by.Failed()
		return errMoved
	}
	return nil
}

// announce logs the sockets of a boot whose program comes next, as the vassal program does.
func (b *ownBoot) announce(log *slog.Logger) {
	if !b.direct() {
		return
	}
	for _, s := range b.by.Listening() {
		log.Info("listening " + s[0] + "=" + s[1])
	}
}

// sole reports whether the child is the built-in server alone.
func (b *ownBoot) sole() bool { return b.by != nil && b.by.Program() == "" }

// order returns an order to that server to run as another boot says.
func (b *ownBoot) order(next emperor.DirectBoot) (o wire.Order) {
	if next != nil {
		o.Server = next.Server(b.by)
	}
	return o
}

// spoken forgets the boot when its program has sent a message.
func (b *ownBoot) spoken(log *slog.Logger) {
	b.announce(log)
	b.list = nil
}

// over forgets the boot when its program runs.
func (b *ownBoot) over(runs bool) {
	if runs && b.refused == nil {
		b.list = nil
	}
}

// failure returns the reason why the boot failed, and logs it in the words of the vassal program;
// empty: there is none. Its maker is notified of a boot that has not come to its program, for any reason.
func (b *ownBoot) failure(log *slog.Logger) string {
	if b.list == nil {
		return ""
	}
	if b.by != nil {
		b.by.Failed()
	}
	if b.refused == nil {
		return ""
	}
	step, err := b.list.Explain(b.refused.Call, b.refused.Errno)
	log.Debug("a step of the boot has failed", "step", step)
	log.Error("vassal: " + err.Error())
	return err.Error()
}

// birth is the start of the process of a child.
type birth struct {
	child   *child
	request emperor.Request
	spawner *namespaces.Spawner
	clone   namespaces.Flags
	dir     string
	ends    []*os.File // its descriptors, by number
}

// begin starts the process: by the list of its boot, or with the vassal program. cgroup is a
// descriptor, or zero.
func (b birth) begin(ctx context.Context, cgroup int) (err error) {
	c, l, boot := b.child, b.child.resources.launcher, &b.child.boot
	kept, unbound := b.request.Kept.Files(), b.request.Unbound.Files()
	defer closeFiles(slices.Concat(kept, unbound))
	if boot.list = b.direct(ctx, kept, unbound); boot.list != nil {
		boot.by = b.request.Direct
		if err = b.fork(cgroup); err == nil || !unforked(err) {
			return err
		}
		b.request.Log.Debug("the vassal program boots it", "cause", err)
		*boot = ownBoot{}
	}
	env := append(l.Environ.ofProgram(), termlog.MarksEnv+"=1")
	if c.ends.notify != nil {
		env = append(env, "NOTIFY_SOCKET="+c.ends.notify.path)
	}
	files, passed := l.Programs.Open.Pass(b.ends)
	command := namespaces.Command{
		Path: l.Programs.at(), Args: []string{filepath.Base(l.Programs.Vassal), "--ini", b.request.Config.Name}, Env: append(env, passed...),
		Dir: b.dir, Files: files, Namespaces: b.clone, Deathsig: deathSignal, Keyring: l.Rights.Keyring, CgroupFD: cgroup,
	}
	if boot.list = b.bounded(command); boot.list != nil {
		if err = b.fork(cgroup); err == nil || !unforked(err) {
			return err
		}
		*boot = ownBoot{}
	}
	return l.start(c, b.spawner, command)
}

// fork starts the process by its list.
func (b birth) fork(cgroup int) (err error) {
	l := b.child.resources.launcher
	b.child.resources.process, err = l.Forker.Start(b.child.boot.list, b.clone, cgroup)
	if err != nil && !unforked(err) {
		return l.cloneError(err)
	}
	return err
}

// unforked reports whether a list has made no child, because the process that forks is missing or cannot take it.
func unforked(err error) bool {
	return errors.Is(err, bootlist.ErrNoServer) || errors.Is(err, bootlist.ErrUnfit)
}

// direct returns the boot without the vassal program. Nil: it needs the program, because of its
// configuration, of the operator's hooks or of this launch.
func (b birth) direct(ctx context.Context, kept, unbound []*os.File) *bootlist.List {
	if !b.suits() || !filepath.IsAbs(b.dir) {
		return nil
	}
	l, r := b.child.resources.launcher, b.request
	request := emperor.DirectRequest{
		Name: r.Config.Name, Server: l.Programs.Open.Held(libexec.Server), Dir: b.dir,
		Environ: l.Environ.ofVassals(), Files: b.ends, Pipe: pipeFD, Orders: orderFD, Namespaces: b.clone, Keyring: l.Rights.Keyring, Deathsig: deathSignal,
		Capabilities: l.Rights.Capabilities, Kept: kept, Unbound: unbound,
	}
	if r.Network.Connects() {
		if request.Network = l.foresee(r); request.Network == nil {
			return nil
		}
		b.child.boot.foreseen = request.Network
	}
	if b.child.ends.notify != nil {
		request.Notify = b.child.ends.notify.path
	}
	at := r.Direct.Program()
	if !filepath.IsAbs(at) {
		at = "/"
	}
	list, err := reads.Get(ctx, l.Reads, at, func() (*bootlist.List, error) { return r.Direct.List(request) })
	if err != nil {
		r.Log.Debug("the vassal program boots it", "cause", err)
		return nil
	}
	return list
}

// foresee returns the place in the network that a vassal will have. Nil: it is not known before.
func (l *Launcher) foresee(r emperor.Request) *emperor.Attachment {
	f, ok := l.Network.(emperor.Foreseer)
	if !ok {
		return nil
	}
	return f.Foresee(r)
}

func closeFiles(list []*os.File) {
	for _, f := range list {
		f.Close()
	}
}

// suits reports whether nothing but its configuration can need the vassal program.
func (b birth) suits() bool {
	l, r := b.child.resources.launcher, b.request
	switch {
	case l.Forker == nil, r.Direct == nil, os.Geteuid() != 0, l.tenantOf(r) != nil:
		return false
	case b.clone&(namespaces.NewUser|namespaces.NewTime) != 0, l.Rights.IDs != nil:
		return false // the parent writes the maps, and checks the time
	case r.Joins(), r.Guest.Elsewhere():
		return false // a thread in those namespaces clones it
	case r.Socket != nil, r.Zerg.Number > 0, r.Templates != nil:
		return false
	case len(l.Hooks.sent(r)) > 0, l.Hooks.Libraries.Wanted(), !l.Programs.Wrappers.None():
		return false
	}
	return true
}
