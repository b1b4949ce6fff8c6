package process

import (
	"errors"
	"os"
	"slices"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/vishvananda/netns"
)

// links reports whether hooks may make links into the network of a vassal: hooks of the
// emperor, and the vassal's own hooks when they can see processes of the emperor's network,
// and so reach that network.
func (l *Launcher) links(r emperor.Request) bool {
	return l.Clone.Has(namespaces.NewNet) && len(l.hooks(r, hooks.AsEmperor))+len(l.hooks(r, hooks.AsEmperorSetns)) > 0 || l.linksLate(r)
}

// linksLate reports whether they may after the boot.
func (l *Launcher) linksLate(r emperor.Request) bool {
	return l.Clone.Has(namespaces.NewNet) && (len(l.hooks(r, hooks.OnVassalReady)) > 0 || !l.Clone.Has(namespaces.NewPID|namespaces.NewMount))
}

// linking runs hooks and records the links into the vassal's network afterwards, also when the
// vassal has died in the meantime. After the last hooks no further links are expected. It is
// called by one goroutine at a time.
func (c *child) linking(last bool, run func() error) error {
	network, err := c.process.OpenNetwork()
	if err != nil {
		return run() // it has no network of its own, or is dead: no link can be moved there
	}
	defer network.Close()
	defer c.noteLinks(network, last)
	return run()
}

// noteLinks remembers the links into the vassal's network, for its end.
func (c *child) noteLinks(network netns.NsHandle, last bool) {
	links, err := namespaces.PeersOf(network)
	if err != nil {
		c.log.Warn("links of this vassal may outlive it for a moment", "error", err)
		return
	}
	for _, l := range links {
		if !slices.ContainsFunc(c.entry.Links, func(k namespaces.Peer) bool { return k.Index == l.Index }) {
			c.guard(l)
		}
	}
	complete := last && c.entry.Number != nil
	if slices.Equal(links, c.entry.Links) && !complete {
		return
	}
	if c.entry.Links = links; complete {
		c.entry.Number = nil
	}
	c.record()
}

// guard changes settings of a link that hooks have made, so that the tenant behind it cannot
// change the routes of this host. It runs once: hooks of a later phase may change them again.
func (c *child) guard(l namespaces.Peer) {
	tell := c.log.Warn
	if c.request.Generation > 1 { // the previous generations have reported it
		tell = c.log.Debug
	}
	if err := namespaces.GuardLink(l.Name); err != nil {
		tell("a vassal may change the routes of this host: set accept_ra, accept_redirects, send_redirects and rp_filter of its link", "error", err)
	}
	switch bridge, err := namespaces.ExposedMaster(l.Name); {
	case err != nil:
		tell("a vassal may add routes to this host by a bridge", "error", err)
	case bridge != "":
		tell("a vassal may add routes to this host by a bridge: set its accept_ra to 0 before it is up", "link", l.Name, "bridge", bridge)
	}
}

// openEntry records the generation before hooks make links for it. With a cgroup, the next
// emperor kills all its processes by that.
func (c *child) openEntry() {
	s := c.launcher
	links := s.links(c.request)
	c.entry.Directories = absent(c.request.Temporary)
	if s.Ledger == nil || !links && c.cgroup != nil && len(c.entry.Directories) == 0 {
		return
	}
	var err error
	if c.entry.Vassal, err = namespaces.IdentityOf(c.PID()); err != nil {
		c.log.Warn("a killed emperor would leave this vassal behind", "error", err)
		return
	}
	if links {
		c.entry.Number = c.networkNumber()
	}
	c.record()
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
func (c *child) networkNumber() *int {
	network, err := c.process.OpenNetwork()
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

func (c *child) record() {
	p := c.entry
	c.written.Store(&p)
	if err := c.launcher.Ledger.write(c.request.Config.Name, c.request.Generation, c.entry); err != nil {
		c.log.Warn("a killed emperor would leave something of this vassal behind", "error", err)
	}
}
