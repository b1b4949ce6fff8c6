package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Config are the options of a Service.
type Config struct {
	// Mode of vassals that choose none. Empty: DNSAuto.
	Mode spec.DNS
	// Dir is where the files of vassals are. It belongs to this emperor alone. Required.
	Dir string
	// Program is the path of the responder. Required.
	Program string
	// Setup of the responder. Its gateways are the addresses at which it answers.
	Setup Setup
	// Private: vassals have mount namespaces of their own, and can have files of their own.
	Private bool
	// Own lists the host's addresses, but for loopback ones. Required.
	Own func() ([]netip.Addr, error)
	// Answering is called once before the responder answers, to let its packets pass. Nil:
	// nothing is.
	Answering func() error
	// Log is required.
	Log *slog.Logger
}

// Service lets vassals resolve names: it keeps their files, and runs the responder as soon as a
// vassal needs it. Its methods may be called by many goroutines.
type Service struct {
	config Config
	files  *Files

	starting sync.Mutex // the responder is being started, or is started

	mu        sync.Mutex
	host      Host
	own       []netip.Addr
	read      time.Time // when both were read
	responder *Responder
	vassals   map[string]*resolving
}

// resolving is a connected vassal.
type resolving struct {
	row    Vassal
	mode   spec.DNS
	chosen bool // mode is its own, and not the one of all vassals
	routed bool
	given  []netip.Addr // nameservers of its network
	text   string       // of its resolver file; empty: it has none
}

// Open prepares the files, and logs how vassals that choose no mode resolve names. It starts the
// responder when these need it. The caller closes the service.
func Open(c Config) (_ *Service, err error) {
	if c.Mode == "" {
		c.Mode = spec.DNSAuto
	}
	s := &Service{config: c, vassals: map[string]*resolving{}}
	if s.files, err = NewFiles(filepath.Join(c.Dir, "files")); err != nil {
		return nil, err
	}
	if err := s.readHost(0); err != nil {
		return nil, err
	}
	if !c.Private {
		if c.Mode != spec.DNSOff {
			c.Log.Warn("vassals read the host's resolver file, whose nameservers they may not reach (fs in emperor-use-clone, or emperor-network-dns = off)")
		}
		return s, nil
	}
	choice := s.host.Choose(c.Mode, s.reach(Vassal{}), c.Setup.Gateways)
	if !choice.Responds() {
		return s, nil
	}
	if c.Mode == spec.DNSAuto {
		c.Log.Info("vassals reach no nameserver of this host; the emperor passes their questions on", "nameservers", s.host.Servers())
	}
	if err := s.respond(); err != nil {
		return nil, errors.Join(err, s.files.Close())
	}
	return s, nil
}

// hostAge is the age at which the host's configuration is read again.
const hostAge = 5 * time.Second

// readHost reads the host's configuration unless it was read within that time. The caller holds
// mu, or is the only one.
func (s *Service) readHost(age time.Duration) error {
	if time.Since(s.read) < age {
		return nil
	}
	host, err := ReadHost()
	if err != nil {
		return fmt.Errorf("cannot find the host's nameservers: %w", err)
	}
	own, err := s.config.Own()
	if err != nil {
		return fmt.Errorf("cannot list the host's addresses: %w", err)
	}
	s.host, s.own, s.read = host, own, time.Now()
	return nil
}

// reach returns the reach of a vassal. Without addresses it may get some of both families.
func (s *Service) reach(v Vassal) Reach {
	r := Reach{Own: func(a netip.Addr) bool { return slices.Contains(s.own, a) }}
	list := v.Addresses
	if len(list) == 0 {
		list = s.config.Setup.Gateways
	}
	for _, a := range list {
		r.IPv4, r.IPv6 = r.IPv4 || a.Is4(), r.IPv6 || a.Is6()
	}
	return r
}

// Admit sets the clients that may reach a vassal with a link of the emperor's, before it is connected and each
// time that it changes. It does not block.
func (s *Service) Admit(vassal string, addresses []netip.Addr, from []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vassals[vassal]
	if v == nil {
		v = &resolving{}
		s.vassals[vassal] = v
	}
	v.row.Name, v.row.Addresses, v.row.From, v.routed = vassal, addresses, from, true
	s.update(v)
}

// update updates the responder's row of a vassal.
func (s *Service) update(v *resolving) {
	if s.responder != nil && v.routed {
		s.responder.Set(v.row)
	}
}

// Connect returns the files for a vassal, before it starts. An empty mode is the emperor's.
// Addresses are the vassal's, as far as they are known, and given the nameservers of its network.
func (s *Service) Connect(vassal string, mode spec.DNS, addresses, given []netip.Addr) ([]Mount, error) {
	chosen, mode := mode != "", s.modeOf(mode)
	if mode == spec.DNSOff {
		return nil, nil
	}
	choice, hosts, err := s.connect(resolving{row: Vassal{Name: vassal, Addresses: addresses}, mode: mode, chosen: chosen, given: given})
	if err != nil {
		return nil, err
	}
	if choice.Mode == spec.DNSOff {
		s.config.Log.Warn("the vassal reaches no nameserver of this host, and reads the host's resolver file", "vassal", vassal)
		return nil, nil
	}
	if choice.Responds() {
		if err := s.respond(); err != nil {
			return nil, err
		}
	}
	return s.files.Put(vassal, hosts, choice.File())
}

// modeOf returns the mode of a vassal with the given option.
func (s *Service) modeOf(mode spec.DNS) spec.DNS {
	if !s.config.Private {
		return spec.DNSOff
	}
	return cmp.Or(mode, s.config.Mode)
}

// Mounts returns the mounts of the files that Connect writes for a vassal with the given option. None of the files
// exists while the vassal is not connected, or when Connect finds no nameserver for it.
func (s *Service) Mounts(vassal string, mode spec.DNS) []Mount {
	if s.modeOf(mode) == spec.DNSOff {
		return nil
	}
	return s.files.mounts(vassal)
}

// connect chooses for a vassal, and returns the text of its file of host names.
func (s *Service) connect(r resolving) (Choice, string, error) {
	own, err := os.ReadFile(HostsFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Choice{}, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readHost(hostAge); err != nil {
		return Choice{}, "", err
	}
	v := s.vassals[r.row.Name]
	if v == nil {
		v = &resolving{row: r.row}
		s.vassals[r.row.Name] = v
	}
	v.mode, v.chosen, v.given = r.mode, r.chosen, r.given
	choice, err := s.choose(v)
	if err != nil || choice.Mode == spec.DNSOff {
		return choice, "", err
	}
	v.row.Forward, v.text = choice.Mode == spec.DNSForward, choice.File()
	s.update(v)
	return choice, Hosts(string(own), v.row.Name, v.row.Addresses, s.gatewaysOf(v)), nil
}

// gatewaysOf returns the addresses at which the responder answers a vassal: of the families that
// the vassal has.
func (s *Service) gatewaysOf(v *resolving) (list []netip.Addr) {
	if !v.routed {
		return nil
	}
	for _, g := range s.config.Setup.Gateways {
		if slices.ContainsFunc(v.row.Addresses, func(a netip.Addr) bool { return a.Is4() == g.Is4() }) {
			list = append(list, g)
		}
	}
	return list
}

// choose chooses for a vassal. The nameservers of its network come before the host's.
func (s *Service) choose(v *resolving) (Choice, error) {
	host := s.host
	if len(v.given) > 0 {
		host.Own.Servers = v.given
	}
	gateways, mode := s.gatewaysOf(v), v.mode
	if len(gateways) == 0 && !v.chosen && mode != spec.DNSOff {
		mode = spec.DNSAuto // the mode of all vassals is for vassals that can ask the emperor
	}
	choice := host.Choose(mode, s.reach(v.row), gateways)
	if !choice.Responds() || len(gateways) > 0 {
		return choice, nil
	}
	if mode == spec.DNSAuto {
		return Choice{Mode: spec.DNSOff}, nil
	}
	return choice, fmt.Errorf("network-dns = %s: the emperor answers only vassals with a link of its own (network-dns = auto, or network = routed)", mode)
}

// respond starts the responder, if it does not run. The caller does not hold mu, which is not
// held meanwhile either: others do not wait for the process.
func (s *Service) respond() error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	runs, servers := s.responder != nil, s.servers()
	s.mu.Unlock()
	if runs {
		return nil
	}
	if s.config.Answering != nil {
		if err := s.config.Answering(); err != nil {
			return err
		}
	}
	r, err := Start(s.config.Program, s.config.Setup, servers, filepath.Join(s.config.Dir, "empty"), s.config.Log)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responder = r
	for _, v := range s.vassals {
		s.update(v)
	}
	return nil
}

// servers returns the nameservers that the responder asks. It must not ask itself.
func (s *Service) servers() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(s.host.Servers()), func(a netip.Addr) bool { return slices.Contains(s.config.Setup.Gateways, a) })
}

// Disconnect forgets a vassal that is gone, with its files.
func (s *Service) Disconnect(vassal string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.vassals, vassal)
	if s.responder != nil {
		s.responder.Remove(vassal)
	}
	return s.files.Remove(vassal)
}

// watchPause is the interval of looking for other nameservers of the host.
const watchPause = 10 * time.Second

// Watch follows the host's nameservers until ctx ends: a host that moves to another network gets
// others.
func (s *Service) Watch(ctx context.Context) {
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.Refresh(); err != nil {
			s.config.Log.Warn("vassals keep the nameservers that they have", "error", err)
		}
	}
}

// Refresh reads the host's nameservers, and rewrites the files in which they have changed. A
// vassal that began without the responder stays without it.
func (s *Service) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readHost(0); err != nil {
		return err
	}
	if s.responder != nil {
		s.responder.SetServers(s.servers())
	}
	var failed []error
	for name, v := range s.vassals {
		if v.text == "" {
			continue
		}
		choice, err := s.choose(v)
		if err != nil || choice.Responds() && s.responder == nil || choice.Mode == spec.DNSOff {
			continue
		}
		if text := choice.File(); text != v.text {
			failed = append(failed, s.files.Resolver(name, text))
			v.text, v.row.Forward = text, choice.Mode == spec.DNSForward
			s.update(v)
		}
	}
	return errors.Join(failed...)
}

// Close ends the responder and removes the files.
func (s *Service) Close() error {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.responder != nil {
		s.responder.Close()
		s.responder = nil
	}
	return errors.Join(s.files.Close(), os.RemoveAll(s.config.Dir))
}
