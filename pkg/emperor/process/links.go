package process

import (
	"errors"
	"os"
	"slices"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// LinkWatcher watches interfaces of the emperor's network. Its methods are called from many
// goroutines.
type LinkWatcher interface {
	// Watch calls lost once, from any goroutine, when the interface goes or is set down.
	Watch(link namespaces.Index, lost func(reason string))
	// Unwatch ends the watch of an interface.
	Unwatch(link namespaces.Index)
}

// links reports whether hooks may make links into the network of a vassal: hooks of the
// emperor, and the vassal's own hooks when they can see processes of the emperor's network,
// and so reach that network.
func (l *Launcher) links(r emperor.Request) bool {
	return l.Clone.Has(namespaces.NewNet) && len(l.Hooks.of(r, hooks.AsEmperor))+len(l.Hooks.of(r, hooks.AsEmperorSetns)) > 0 || l.linksLate(r)
}

// linksLate reports whether they may after the boot.
func (l *Launcher) linksLate(r emperor.Request) bool {
	return l.Clone.Has(namespaces.NewNet) && (len(l.Hooks.of(r, hooks.OnVassalReady)) > 0 || !l.Clone.Has(namespaces.NewPID|namespaces.NewMount))
}

// linking runs hooks and records the links into the vassal's network afterwards, also when the
// vassal has died in the meantime. After the last hooks no further links are expected. It is
// called by one goroutine at a time.
func (r *resources) linking(last bool, run func() error) error {
	network, err := r.process.OpenNetwork()
	if err != nil {
		return run() // it has no network of its own, or is dead: no link can be moved there
	}
	defer network.Close()
	r.unwatch() // hooks may change their own links
	defer r.watch()
	defer r.noteLinks(network, last)
	return run()
}

// watch watches the links that hooks have made.
func (r *resources) watch() {
	if r.launcher.Links == nil || r.request.Disconnected == nil {
		return
	}
	for _, l := range r.entry.Links {
		if l.Name != r.connected { // the network watches its own
			r.launcher.Links.Watch(namespaces.Index(l.Index), r.request.Disconnected)
		}
	}
}

// unwatch ends that.
func (r *resources) unwatch() {
	if r.launcher.Links == nil {
		return
	}
	for _, l := range r.entry.Links {
		r.launcher.Links.Unwatch(namespaces.Index(l.Index))
	}
}

// noteLinks remembers the links into the vassal's network, for its end.
func (r *resources) noteLinks(network netns.NsHandle, last bool) {
	links, err := namespaces.PeersOf(network)
	if err != nil {
		r.log.Warn("links of this vassal may outlive it for a moment", "error", err)
		return
	}
	for _, l := range links {
		if !slices.ContainsFunc(r.entry.Links, func(k namespaces.Peer) bool { return k.Index == l.Index }) {
			r.guard(l)
		}
	}
	complete := last && r.entry.Number != nil
	if slices.Equal(links, r.entry.Links) && !complete {
		return
	}
	if r.entry.Links = links; complete {
		r.entry.Number = nil
	}
	r.record()
}

// guard changes settings of a link that hooks have made, so that the tenant behind it cannot
// change the routes of this host. It runs once: hooks of a later phase may change them again.
func (r *resources) guard(l namespaces.Peer) {
	warn := r.log.Warn
	if r.request.Generation > 1 { // the previous generations have reported it
		warn = r.log.Debug
	}
	if err := namespaces.GuardLink(l.Name); err != nil {
		warn("a vassal may change the routes of this host: set accept_ra, accept_redirects, send_redirects and rp_filter of its link", "error", err)
	}
	switch bridge, err := namespaces.ExposedMaster(l.Name); {
	case err != nil:
		warn("a vassal may add routes to this host by a bridge", "error", err)
	case bridge != "":
		warn("a vassal may add routes to this host by a bridge: set its accept_ra to 0 before it is up", "link", l.Name, "bridge", bridge)
	}
}

// openEntry records the generation before hooks make links for it. With a cgroup, the next
// emperor kills all its processes by that.
func (r *resources) openEntry() {
	s := r.launcher
	links := s.links(r.request)
	r.entry.Directories = absent(r.request.Files.Temporary)
	if s.Ledger == nil || !links && r.cgroup != nil && len(r.entry.Directories) == 0 {
		return
	}
	var err error
	if r.entry.Vassal, err = namespaces.IdentityOf(r.process.PID); err != nil {
		r.log.Warn("a killed emperor would leave this vassal behind", "error", err)
		return
	}
	if links {
		r.entry.Number = r.networkNumber()
	}
	r.record()
}

// absent returns the paths that do not exist: whatever exists does not belong to the generation.
func absent(paths []string) (list []string) {
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			list = append(list, path)
		}
	}
	return list
}

// networkNumber returns the number of the vassal's network in the emperor's; nil: unknown.
func (r *resources) networkNumber() *int {
	network, err := r.process.OpenNetwork()
	if err != nil {
		return nil
	}
	defer network.Close()
	number, err := namespaces.NetworkNumber(network)
	if err != nil {
		return nil // without these rights no process makes links, either
	}
	return &number
}

func (r *resources) record() {
	p := r.entry
	r.written.Store(&p)
	if err := r.launcher.Ledger.write(r.request.Config.Name, r.request.Generation, r.entry); err != nil {
		r.log.Warn("a killed emperor would leave something of this vassal behind", "error", err)
	}
}
