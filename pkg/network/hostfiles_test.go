package network

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The files for other software of the host name the links and the tables that there are.
func TestFilesForTheHost(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile("../../contrib/network/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	link := ID("0123456789ab").linkName("a.ini", 1, 0)
	if !strings.HasPrefix(link, LinkPrefix) {
		t.Fatalf("a link is called %s", link)
	}
	for name, line := range map[string]string{
		"10-emperor.network": "Name=" + LinkPrefix + "*", "10-emperor.link": "OriginalName=" + LinkPrefix + "*",
		"NetworkManager.conf": "unmanaged-devices+=interface-name:" + LinkPrefix + "*", "dhcpcd.conf": "denyinterfaces " + LinkPrefix + "*",
	} {
		if !strings.Contains(read(name), "\n"+line+"\n") {
			t.Errorf("%s does not have the line %q", name, line)
		}
	}
}

// A stop of nftables.service leaves the table of the policy, and removes the others.
func TestStopOfNftables(t *testing.T) {
	text, err := os.ReadFile("../../contrib/network/nftables.service.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, command, ok := strings.Cut(string(text), "\nExecStop=\nExecStop=/bin/sh -c '")
	command, _, closed := strings.Cut(command, "'\n")
	if !ok || !closed {
		t.Fatalf("there is no command in %s", text)
	}
	if !isolated(t) {
		return
	}
	own := ID("0123456789ab").Table()
	nft(t, "add", "table", "inet", own)
	nft(t, "add", "table", "inet", "filter")
	nft(t, "add", "table", "ip", "nat")
	if out, err := exec.Command("sh", "-c", strings.ReplaceAll(command, "$$", "$")).CombinedOutput(); err != nil { // systemd.service(5)
		t.Fatalf("%v: %s", err, out)
	}
	if left := strings.TrimSpace(nft(t, "list", "tables")); left != "table inet "+own {
		t.Errorf("left are %q", left)
	}
}
