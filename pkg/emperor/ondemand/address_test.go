package ondemand

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/emperor-go/emperor/pkg/emperor"
)

const stranger = 23001 // owns nothing else

// namedBy writes the file beside a.ini in a new directory, and returns the directory.
func namedBy(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ini.socket"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func giveTo(t *testing.T, path string, uid int) {
	t.Helper()
	if err := os.Lchown(path, uid, uid); err != nil {
		t.Skipf("only root gives files away: %v", err)
	}
}

// activate puts a vassal of that owner on demand by the file beside its own.
func activate(t *testing.T, dir string, uid uint32) (emperor.Activation, error) {
	t.Helper()
	p := planAt(filepath.Join(dir, "a.ini"))
	p.UID = uid
	a, err := Sockets{Extension: ".socket", UID: -1, GID: -1, Mode: 0o600}.Activate(t.Context(), p)
	if a != nil {
		t.Cleanup(func() { a.Close() })
	}
	return a, err
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The file that names an address cannot be a link to another file.
func TestFileOfAnAddressIsNoLink(t *testing.T) {
	dir := namedBy(t, "root:secret")
	path := filepath.Join(dir, "a.ini.socket")
	if err := os.Rename(path, filepath.Join(dir, "shadow")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shadow", path); err != nil {
		t.Fatal(err)
	}
	_, err := activate(t, dir, 0)
	refused(t, err, `"a.ini.socket" is a symbolic link, and none is followed`)
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the file is printed: %v", err)
	}
}

// Another name of a secret file, which a tenant has made beside the own file, is not read.
func TestAnotherNameOfASecretIsNotRead(t *testing.T) {
	dir := namedBy(t, "secret")
	if err := os.Link(filepath.Join(dir, "a.ini.socket"), filepath.Join(dir, "shadow")); err != nil {
		t.Fatal(err)
	}
	_, err := activate(t, dir, stranger)
	refused(t, err, fmt.Sprintf(`"a.ini.socket" is a file of uid %d with 2 names, and uid %d owns the vassal's file`, os.Geteuid(), stranger))
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the file is printed: %v", err)
	}
}

// A text that is not an address is quoted, but only its beginning.
func TestLittleOfWhatIsNoAddressIsPrinted(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("s", 40) + "\n" + strings.Repeat("x", 1000): `contains no address, but "` + strings.Repeat("s", 40) + `\n` + strings.Repeat("x", 23) + `"…`,
		strings.Repeat("x", maxAddress+1):                          "is larger than 4096 bytes",
		"\x1b[2J:80":                                               `contains no address, but "\x1b[2J:80"`,
		"/" + strings.Repeat("x", 200):                             `cannot wait for connections on "/` + strings.Repeat("x", 63) + `"…: `,
		strings.Repeat("h", 100) + ":x":                            `cannot wait for connections on "` + strings.Repeat("h", 64) + `"…: `,
		strings.Repeat("1.", 100) + ":80:90":                       `cannot wait for connections on "` + strings.Repeat("1.", 32) + `"…: `,
	} {
		_, err := activate(t, namedBy(t, text), 0)
		refused(t, err, want)
		if err != nil && (len(err.Error()) > 250 || strings.Contains(err.Error(), strings.Repeat("h", 65))) {
			t.Errorf("too much is printed: %v", err)
		}
	}
}

func TestAFIFOIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "a.ini.socket"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := activate(t, dir, 0)
	refused(t, err, "is not a regular file")
}

// Only root, this process's user and the owner of the vassal's file may choose the address.
func TestAddressHasTheOwnerOfTheVassalsFile(t *testing.T) {
	dir := namedBy(t, "127.0.0.1:0")
	giveTo(t, filepath.Join(dir, "a.ini.socket"), stranger)
	_, err := activate(t, dir, 0)
	refused(t, err, fmt.Sprintf("belongs to uid %d, and the vassal's file to uid 0", stranger))
	if a, err := activate(t, dir, stranger); a == nil || err != nil {
		t.Errorf("%v, %v", a, err)
	}
}

// A socket that a tenant names is made only where the tenant could make it.
func TestTenantGetsNoSocketInADirectoryOfRoot(t *testing.T) {
	ports, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	roots, own := t.TempDir(), t.TempDir()
	giveTo(t, own, stranger)
	link := filepath.Join(own, "link")
	if err := os.Symlink(roots, link); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		filepath.Join(roots, "s"):     fmt.Sprintf("its directory belongs to uid 0, and uid %d named it (root must own the file)", stranger),
		filepath.Join(link, "s"):      "its directory belongs to uid 0",
		filepath.Join(own, "s"):       "",
		"@" + filepath.Join(own, "s"): "",
		"127.0.0.1:79":                "only root binds ports below ",
	} {
		if address[0] == '1' && strings.TrimSpace(string(ports)) == "0" {
			continue
		}
		dir := namedBy(t, address)
		giveTo(t, filepath.Join(dir, "a.ini.socket"), stranger)
		a, err := activate(t, dir, stranger)
		if want != "" {
			refused(t, err, want)
			if _, err := os.Lstat(filepath.Join(roots, "s")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: a socket was made: %v", address, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		c, err := net.Dial("unix", a.String())
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		c.Close()
	}
}

// A link in place of a socket does not redirect a change of its mode or owner, nor its
// removal.
func TestSocketsModeIsOfTheSocketOnly(t *testing.T) {
	dir := t.TempDir()
	shadow, path := filepath.Join(dir, "shadow"), filepath.Join(dir, "s")
	if err := os.WriteFile(shadow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shadow", path); err != nil {
		t.Fatal(err)
	}
	at, err := spotOf(path)
	if err != nil {
		t.Fatal(err)
	}
	defer at.dir.Close()
	if _, err := at.own(Sockets{Mode: 0o666, UID: -1, GID: -1}); err == nil {
		t.Error("a link is taken for a socket")
	}
	info, err := os.Stat(shadow)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := at.remove(info.Sys().(*syscall.Stat_t).Ino); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("what is no socket is removed: %v", err)
	}
}

func TestCommandThatPrintsAnAddressMayPrintMuch(t *testing.T) {
	address, _, err := Sockets{Exec: "yes abcdefgh | head -c 3000000; true"}.address(t.Context(), planAt("/etc/a.ini"))
	if err != nil || address != "abcdefgh" {
		t.Errorf("%q, %v", address, err)
	}
}
