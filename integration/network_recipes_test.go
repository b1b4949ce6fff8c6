//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// networkRecipe returns the lines of a recipe of docs/network.md, without their comments.
func networkRecipe(t *testing.T, title string) (lines []string) {
	t.Helper()
	return recipeOf(t, "network.md", title)
}

// recipeOf is networkRecipe for any page.
func recipeOf(t *testing.T, page, title string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n**"+title)
	if !found {
		t.Fatalf("docs/%s has no recipe %q", page, title)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	rest, _, _ = strings.Cut(rest, "\n**")
	for line := range strings.Lines(rest) {
		if code, indented := strings.CutPrefix(line, "    "); indented && strings.TrimSpace(code) != "" {
			lines = append(lines, strings.TrimSpace(regexp.MustCompile(`\s+[;#] .*`).ReplaceAllString(code, "")))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("the recipe %q has no lines", title)
	}
	return lines
}

// option returns a line as an option of the command line.
func option(line string) string {
	key, value, _ := strings.Cut(line, " = ")
	return "--" + key + "=" + value
}

// proxied runs nginx of the host with a line of a recipe.
func (w *world) proxied(pass string) {
	w.t.Helper()
	w.write("nginx.conf", fmt.Sprintf("user www-data www-data; daemon off; pid %s; error_log stderr; events {}\nhttp { access_log off; server { listen 80; location / { %s } } }\n", w.path("nginx.pid"), pass))
	w.nginx()
}

// serving runs a server of pages in the network of a process.
func (w *world) serving(pid int, address string) {
	w.t.Helper()
	server := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", program("vassal-server"), "--http-socket", address, "--static-map", "/="+w.path("s"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
}

// reachesPage waits until a process gets the page of a server in serving.
func (w *world) reachesPage(pid int, address string) {
	w.t.Helper()
	eventually(w.t, address+" answers", func() bool { return browse(pid, address) == "a page\n" })
}

// nginx of the host passes requests on to a vassal, at its address, at its socket and at its published port.
func TestRecipeNginxInFront(t *testing.T) {
	needs(t, "nginx")
	t.Parallel()
	for title, lines := range map[string]int{"nginx in front, by address.": 2, "nginx in front, by a socket.": 4, "nginx in front, by a published port.": 2} {
		t.Run(title, func(t *testing.T) {
			w, far := networked(t)
			recipe := recipeOf(t, "front-door.md", title)
			for i, line := range recipe {
				recipe[i] = strings.ReplaceAll(line, "192.0.2.1", "198.18.0.1")
			}
			serve := append(recipe[:lines:lines], fmt.Sprintf(pages, w.path("s")), "uid = 4001")
			if recipe[0] != "gid = www-data" {
				serve = append(serve, "gid = 4001")
			}
			w.vassal("shop.ini", serve...)
			e := w.start(routedArgs...)
			e.running("shop.ini")
			w.proxied(recipe[lines])
			eventually(t, "another host gets the page", func() bool { return browse(far, "198.18.0.1") == "a page\n" })
			e.stop(syscall.SIGTERM)
		})
	}
}

// A vassal reaches the database of the host at its port, and no other port.
func TestRecipeDatabaseOnTheHost(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	recipe := networkRecipe(t, "A database on the host.")
	w.site("shop.ini")
	e := w.start(allNamespaces, "--emperor-network", "routed", option(recipe[0]), option(recipe[1]))
	pid := e.running("shop.ini")
	host := w.holder.Process.Pid
	w.serving(host, "10.142.0.1:5432")
	w.serving(host, "10.142.0.1:5433")
	w.reachesPage(host, "10.142.0.1:5433")
	w.reachesPage(pid, "10.142.0.1:5432")
	if got := browse(pid, "10.142.0.1:5433"); got != "" {
		t.Errorf("the vassal reaches another port: %q", got)
	}
	e.stop(syscall.SIGTERM)
}

// A vassal that a file allows reaches the other one at that port, and others do not.
func TestRecipeTwoVassals(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	serve := fmt.Sprintf(pages, w.path("s")) + "\nuid = 4001\ngid = 4001"
	w.vassal("db.ini", append(networkRecipe(t, "Two vassals that may talk."), "http-socket = :5432", "http-socket = :5433", serve)...)
	w.site("shop.ini")
	w.site("other.ini")
	e := w.start(routedArgs...)
	e.running("db.ini")
	shop, other := e.running("shop.ini"), e.running("other.ini")
	db := w.attachment("db").Network.Addresses[0].String()
	for _, c := range []struct {
		pid  int
		port string
		want string
	}{{shop, ":5432", "a page\n"}, {shop, ":5433", ""}, {other, ":5432", ""}} {
		if got := browse(c.pid, db+c.port); got != c.want {
			t.Errorf("%s: %q", c.port, got)
		}
	}
	e.stop(syscall.SIGTERM)
}

// Vassals with addresses of IPv6 only reach other hosts under these, and are reached.
func TestRecipeIPv6Only(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	recipe := networkRecipe(t, "IPv6 only.")
	inNetwork(t, far, "ip -6 route add 2001:db8:42::/64 via 2001:db8:18::1")
	w.vassal("shop.ini", recipe[1], fmt.Sprintf(pages, w.path("s")), "uid = 4001", "gid = 4001", "network-publish = 8001:8080", "network-allow = 2001:db8:18::/64")
	e := w.start(allNamespaces, "--emperor-network", "routed", option(recipe[0]))
	pid := e.running("shop.ini")
	a := w.attachment("shop").Network.Addresses
	if len(a) != 1 || !a[0].Is6() {
		t.Fatalf("its addresses are %v", a)
	}
	for _, to := range []string{"[2001:db8:18::1]:8001", "[" + a[0].String() + "]:8080"} {
		if got := browse(far, to); got != "a page\n" {
			t.Errorf("another host at %s: %q", to, got)
		}
	}
	w.serving(far, "[::]:80")
	w.reachesPage(pid, "[2001:db8:18::2]") // it has a route to the prefix: there is no NAT
	e.stop(syscall.SIGTERM)
}

// A vassal is a host of the network behind a bridge of the operator. Its address is fixed here; DHCP has
// the same way.
func TestRecipeBridgeThatIsThere(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	recipe := networkRecipe(t, "A bridge that is there.")
	w.run(fmt.Sprintf("ip link add br0 type bridge && ip link set br0 up && ip address add 192.168.50.1/24 dev br0 && "+
		"ip link add lan0 type veth peer name lan1 netns %d && ip link set lan0 master br0 up", far))
	inNetwork(t, far, "ip link set lan1 up; ip address add 192.168.50.2/24 dev lan1")
	w.site("shop.ini", recipe[1], "network-address = 192.168.50.7")
	e := w.start(allNamespaces, option(recipe[0]))
	pid := e.running("shop.ini")
	if got := browse(far, "192.168.50.7:8080"); got != "a page\n" {
		t.Errorf("a host of that network: %q", got)
	}
	w.serving(far, "192.168.50.2:80")
	w.reachesPage(pid, "192.168.50.2")
	e.stop(syscall.SIGTERM)
	defer w.run("ip link delete lan0; ip link delete br0")
	if links := w.run("ip -o link show master br0; ip -o address show br0"); !strings.Contains(links, "lan0") || strings.Contains(links, "evs") || !strings.Contains(links, "192.168.50.1") {
		t.Errorf("afterwards the bridge has %s", links)
	}
}

// Firewalls that drop what they do not accept let packets of vassals pass with the lines of the recipe.
// The chains of Docker and of ufw are imitated by iptables, which both use; ufw's command becomes the rule
// that it writes into its chain.
func TestRecipeDockerAndUfwBeside(t *testing.T) {
	needs(t, "iptables")
	t.Parallel()
	recipe := networkRecipe(t, "Docker or ufw beside it.")
	ufw := regexp.MustCompile(`ufw route allow (in|out) on (\S+?)(;|$)`).ReplaceAllStringFunc(strings.Join(recipe[2:], ";"), func(s string) string {
		words := strings.Fields(strings.TrimSuffix(s, ";"))
		return fmt.Sprintf("iptables -A ufw-user-forward %s %s -j ACCEPT;", map[string]string{"in": "-i", "out": "-o"}[words[3]], words[5])
	})
	for chain, accept := range map[string]string{"DOCKER-USER": strings.Join(recipe[:2], ";"), "ufw-user-forward": ufw} {
		t.Run(chain, func(t *testing.T) {
			w, far := networked(t)
			w.run("iptables -P FORWARD DROP; iptables -N " + chain + "; iptables -A FORWARD -j " + chain)
			w.site("shop.ini", "network-publish = 8001:8080")
			e := w.start(routedArgs...)
			e.await("", "of another firewall drops all packets that it does not accept")
			pid := e.running("shop.ini")
			if got := browse(far, "198.18.0.1:8001"); got != "" {
				t.Errorf("before: %q", got)
			}
			if check := w.checkNetwork(); !strings.Contains(check, "of another firewall drops") {
				t.Errorf("net check:\n%s", check)
			}
			w.run(accept)
			if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
				t.Errorf("after %s: %q", accept, got)
			}
			w.serving(far, "198.18.0.2:80")
			w.reachesPage(pid, "198.18.0.2")
			if check := w.checkNetwork(); check != "" {
				t.Errorf("net check after it:\n%s", check)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}
