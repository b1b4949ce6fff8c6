//go:build linux

package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// advertise is the role of a hostile tenant that announces itself as a router on every
// interface, without end.
func advertise() error {
	fmt.Println("advertising")
	for ; ; time.Sleep(10 * time.Millisecond) {
		links, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Flags&net.FlagLoopback == 0 {
				_ = advertiseOn(l) // it may not be up yet
			}
		}
	}
}

// advertiseOn sends a router advertisement with a prefix (RFC 4861, 4.2 and 4.6.2).
func advertiseOn(l net.Interface) error {
	if l.Flags&net.FlagUp == 0 { // its own address must be usable at once
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+l.Name+"/accept_dad", []byte("0"), 0)
		request, err := unix.NewIfreq(l.Name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_UP)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil { // receivers require 255
		return err
	}
	message := make([]byte, 16+32)
	message[0] = 134
	binary.BigEndian.PutUint16(message[6:], 1800) // lifetime as a default router, in seconds
	message[16], message[17], message[18], message[19] = 3, 4, 64, 0xc0
	binary.BigEndian.PutUint32(message[20:], 3600)
	binary.BigEndian.PutUint32(message[24:], 3600)
	copy(message[32:], netip.MustParseAddr("2001:db8:bad::").AsSlice())
	return unix.Sendto(fd, message, 0, &unix.SockaddrInet6{ZoneId: uint32(l.Index), Addr: netip.MustParseAddr("ff02::1").As16()})
}

// advertised lists the routes and addresses that the host of a world has accepted from a
// tenant.
func (w *world) advertised() string {
	return w.run("ip -6 route show default; { ip -6 route; ip -6 -o address; } | grep 2001:db8:bad || true")
}

// A router advertisement of a vassal adds nothing to the host, whichever phase has made the
// link; the advertisement does arrive.
func TestRouterAdvertisementOfAVassal(t *testing.T) {
	t.Parallel()
	link := "ip link add h0 type veth peer name eth0 netns $UWSGI_VASSAL_PID && ip link set h0 up"
	for name, args := range map[string][]string{
		"before it boots":  {"--exec-as-emperor", link},
		"while it boots":   {"--emperor-release=early", "--exec-as-emperor", link},
		"when it is ready": {"--exec-on-vassal-ready", link},
		"with a delay":     {"--emperor-release=early", "--exec-as-emperor", link + " && sleep 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "env = "+roleEnv+"=advertise", "command = "+storyProgram)
			e := w.start(append(args, allNamespaces)...)
			e.await("a.ini", "advertising")
			e.await("a.ini", "hook done")
			guarded := "cd /proc/sys/net && cat ipv6/conf/h0/accept_ra ipv6/conf/h0/accept_redirects ipv4/conf/h0/accept_redirects " +
				"ipv4/conf/h0/send_redirects ipv4/conf/h0/rp_filter | xargs"
			eventually(t, "the link is guarded", func() bool { return w.run(guarded) == "0 0 0 0 1" })
			eventually(t, "the host has heard it", func() bool {
				var heard int
				_, _ = fmt.Sscan(w.run("cat /proc/net/dev | grep h0: | cut -d: -f2 | xargs | cut -d' ' -f2"), &heard)
				return heard > 100
			})
			if got := w.advertised(); got != "" {
				t.Errorf("the host has\n%s", got)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// An operator whose hooks permit a router behind a link gets its routes.
func TestRouterThatIsWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "env = "+roleEnv+"=advertise", "command = "+storyProgram)
	e := w.start(allNamespaces, "--exec-as-emperor", "ip link add h0 type veth peer name eth0 netns $UWSGI_VASSAL_PID && "+
		"echo 2 >/proc/sys/net/ipv6/conf/h0/accept_ra && ip link set h0 up")
	e.running("a.ini")
	eventually(t, "the host has a default route", func() bool { return strings.Contains(w.advertised(), "default via fe80") })
	e.stop(syscall.SIGTERM)
}

// A bridge that accepts advertisements is reported, once, and left as it is: its operator may
// want a router behind another port.
func TestBridgeThatBelievesRouters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("ip link add br0 type bridge && ip link set br0 up")
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", "ip link add h0 type veth peer name eth0 netns $UWSGI_VASSAL_PID && ip link set h0 master br0 up")
	pid := e.running("a.ini")
	const warning = "a vassal may add routes to this host by a bridge: set its accept_ra to 0"
	e.await("a.ini", warning)
	if got := w.run("cat /proc/sys/net/ipv6/conf/br0/accept_ra"); got != "1" {
		t.Errorf("accept_ra of the bridge is %s", got)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.running("a.ini")
	w.run("echo 0 >/proc/sys/net/ipv6/conf/br0/accept_ra")
	w.vassal("b.ini", "exec-as-user = true", serves)
	w.remove("a.ini")
	e.gone("a.ini")
	e.running("b.ini")
	if n := e.count("a.ini", warning) + e.count("b.ini", warning); n != 1 {
		t.Errorf("reported %d times", n)
	}
	e.stop(syscall.SIGTERM)
	w.run("ip link del br0")
}
