package emperord

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// gatherIn gathers for an emperor of an empty directory, with all sockets below dir.
func gatherIn(t *testing.T, dir string, in inheritance) *gathered {
	t.Helper()
	o, _, err := config.Loader{}.Emperor([]string{
		"--emperor-vassal", "/bin/true", "--runtime-dir", filepath.Join(dir, "run"), "--emperor-stats", filepath.Join(dir, "stats"),
		"--metrics", filepath.Join(dir, "metrics"), "--emperor-web", filepath.Join(dir, "web"),
		"--emperor-command-socket", filepath.Join(dir, "commands"), filepath.Join(dir, "vassals"),
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gather(t.Context(), beginning{options: o, inheritance: in, crowded: func() bool { return false }, log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestHelperGovern is the process of another emperor, which claims a directory and prints the result.
func TestHelperGovern(t *testing.T) {
	dir := os.Getenv("EMPERORD_TEST_GOVERN")
	if dir == "" {
		t.Skip("it is only run by other tests")
	}
	log := slog.New(slog.DiscardHandler)
	registry, err := openClaims(&config.Emperor{}, claims.Held{}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	_, err = monitors(&config.Emperor{Monitors: []string{dir}}, Additions{}, registry, reads.New(), log)
	fmt.Fprintf(os.Stdout, "governs: %v\n", err)
}

// governed checks that another process cannot govern the vassals below dir.
func governed(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperGovern$")
	cmd.Env = append(os.Environ(), "EMPERORD_TEST_GOVERN="+filepath.Join(dir, "vassals"))
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("another emperor does (pid %d)", os.Getpid()); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("another emperor, %v: %s", err, out)
	}
}

// An emperor takes over the descriptors of an earlier one: no other emperor can claim in between, and
// clients that have connected before are answered.
func TestGatherInherits(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "vassals"), 0o755); err != nil {
		t.Fatal(err)
	}
	paths := []string{"run/" + control.SocketName, "run/lock", "run/notify", "stats", "metrics", "web", "commands"}
	identities := func() (list []control.Identity) {
		for _, path := range paths {
			list = append(list, control.IdentityOf(filepath.Join(dir, path)))
		}
		return list
	}
	first := gatherIn(t, dir, inheritance{})
	cgroups, spawner, before := first.cgroups, first.tools.spawner, identities()
	in, err := first.handOver([]emperor.Inherited{{Plan: &emperor.Plan{Config: monitor.Text("a.ini", "")}, Held: true}})
	if err != nil {
		t.Fatal(err)
	}
	first.close()
	if cgroups != nil && in.cgroupLock == nil {
		t.Error("the root of the cgroups was not handed over")
	}
	waiting, err := net.Dial("unix", filepath.Join(dir, "stats"))
	if err != nil {
		t.Fatal("no process accepts, but the socket is there:", err)
	}
	defer waiting.Close()
	command, err := net.Dial("unixgram", filepath.Join(dir, "commands"))
	if err != nil {
		t.Fatal("no process receives, but the socket is there:", err)
	}
	defer command.Close()
	if _, err := command.Write([]byte("a command")); err != nil {
		t.Fatal(err)
	}
	governed(t, dir)
	if _, err := control.ClaimRuntimeDir(filepath.Join(dir, "run"), os.Geteuid(), os.Getegid()); !errors.As(err, new(control.HeldError)) {
		t.Errorf("another emperor claims the directory: %v", err)
	}

	second := gatherIn(t, dir, in)
	defer second.close()
	for i, is := range identities() {
		if is != before[i] || is == (control.Identity{}) {
			t.Errorf("%s is another file, or gone", paths[i])
		}
	}
	if second.tools.spawner != spawner || len(second.input.vassals) != 1 {
		t.Errorf("the spawner is %p, want %p; there are %d vassals", second.tools.spawner, spawner, len(second.input.vassals))
	}
	governed(t, dir)
	if !second.registry.Unsettled() {
		t.Error("the claims were made anew")
	}
	second.registry.Settle()
	governed(t, dir)
	buffer := make([]byte, 100)
	if n, _, err := second.commands.socket.ReadFrom(buffer); err != nil || string(buffer[:n]) != "a command" {
		t.Errorf("the waiting command is %q, %v", buffer[:n], err)
	}
	ran := false
	second.tools.spawner.Run(func() { ran = true })
	if !ran {
		t.Error("the spawner has ended")
	}
	if second.cgroups != nil {
		c, err := second.cgroups.Create(namespaces.CgroupWish{Name: "a.ini"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	}
	answered := make(chan string)
	go func() {
		conn, err := second.sockets.stats.Accept()
		if err != nil {
			answered <- err.Error()
			return
		}
		_, _ = conn.Write([]byte("of the second\n"))
		conn.Close()
		answered <- ""
	}()
	if text := <-answered; text != "" {
		t.Error(text)
	}
	if line, _ := bufio.NewReader(waiting).ReadString('\n'); strings.TrimSpace(line) != "of the second" {
		t.Errorf("the waiting client got %q", line)
	}
	second.close()
	for _, path := range paths {
		if _, err := os.Lstat(filepath.Join(dir, path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", path, err)
		}
	}
}
