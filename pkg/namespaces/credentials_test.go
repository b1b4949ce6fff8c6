package namespaces

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// credentialsTest is the input of the child that drops its privileges, as JSON in its
// environment.
type credentialsTest struct {
	To       Credentials
	KeepCaps bool
	Bound    *Capabilities // before
}

// dropped is its result.
type dropped struct {
	Error   string
	Threads []string // Uid, Gid and Groups of each thread
	CapEff  string
	Caps    []string // of each thread, and of a program: inheritable, permitted, effective, bounding and ambient ones
}

// capsIn returns the sets of a thread.
func capsIn(status string) string {
	var sets []string
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		bits, _ := strconv.ParseUint(field(status, set), 16, 64)
		sets = append(sets, Capabilities(bits).String())
	}
	return strings.Join(sets, "; ")
}

func drop() (any, error) {
	var test credentialsTest
	if err := json.Unmarshal([]byte(os.Getenv("TEST")), &test); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	if test.KeepCaps { // of this thread
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return nil, err
		}
	}
	hold, ready := make(chan struct{}), make(chan struct{})
	defer close(hold)
	for range 8 {
		go func() {
			runtime.LockOSThread()
			ready <- struct{}{}
			<-hold
		}()
		<-ready
	}
	var d dropped
	var err error
	if test.Bound != nil {
		err = test.Bound.Bound()
	}
	if err == nil {
		err = test.To.Apply()
	}
	if err != nil {
		d.Error = err.Error()
	}
	threads, err := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		status := "/proc/self/task/" + thread.Name() + "/status"
		d.Threads = append(d.Threads, field(status, "Uid")+"; "+field(status, "Gid")+"; "+field(status, "Groups"))
		d.CapEff = field(status, "CapEff")
		d.Caps = append(d.Caps, capsIn(status))
	}
	shown := filepath.Join(os.TempDir(), "status."+strconv.Itoa(os.Getpid()))
	defer os.Remove(shown)
	if text, err := exec.Command("cat", "/proc/self/status").Output(); err == nil && os.WriteFile(shown, text, 0o600) == nil {
		d.Caps = append(d.Caps, capsIn(shown))
	}
	return d, err
}

func field(status, key string) string {
	b, _ := os.ReadFile(status)
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

func dropIn(t *testing.T, test credentialsTest) (d dropped) {
	t.Helper()
	needRoot(t)
	b, err := json.Marshal(test)
	if err != nil {
		t.Fatal(err)
	}
	act(t, newSpawner(t), "drop", Command{Env: []string{"TEST=" + string(b)}}).finish(&d)
	return d
}

func TestApplyChangesEveryThread(t *testing.T) {
	tests := map[string]Credentials{
		"65534 65534 65534 65534; 65533 65533 65533 65533; 7 65533": {UID: 65534, GID: 65533, Groups: []uint32{65533, 7, 7}},
		"65534 65534 65534 65534; 65533 65533 65533 65533; ":        {UID: 65534, GID: 65533},
		"0 0 0 0; 65533 65533 65533 65533; 65533":                   {UID: 0, GID: 65533, Groups: []uint32{65533}},
	}
	for want, c := range tests {
		d := dropIn(t, credentialsTest{To: c})
		if d.Error != "" || len(d.Threads) < 9 {
			t.Errorf("%+v: error %q, %d threads", c, d.Error, len(d.Threads))
		}
		for _, got := range d.Threads {
			if strings.ReplaceAll(got, "7 7 ", "7 ") != want {
				t.Errorf("%+v: a thread has %q, want %q", c, got, want)
			}
		}
		if none := strings.Trim(d.CapEff, "0") == ""; none != (c.UID != 0) {
			t.Errorf("%+v: effective capabilities %s", c, d.CapEff)
		}
	}
}

func TestApplyFailsClosed(t *testing.T) {
	d := dropIn(t, credentialsTest{To: Credentials{UID: 65534, GID: 65533}, KeepCaps: true})
	if !strings.HasPrefix(d.Error, `cannot verify credentials: CapPrm is "`) {
		t.Errorf("with capabilities kept: %q", d.Error)
	}
	for _, c := range []Credentials{{UID: unchanged, GID: 65533}, {UID: 65534, GID: unchanged}} {
		d := dropIn(t, credentialsTest{To: c})
		if !strings.HasSuffix(d.Error, ": 4294967295 is not an id") {
			t.Errorf("%+v: %q", c, d.Error)
		}
		for _, got := range d.Threads {
			if !strings.HasPrefix(got, "0 0 0 0; 0 0 0 0; ") {
				t.Errorf("%+v: half done: %q", c, got)
			}
		}
	}
}

func TestVerifyOfOneThread(t *testing.T) {
	c := Credentials{UID: 1000, GID: 100, Groups: []uint32{100, 7}}
	good := map[string]string{
		"Uid": "1000 1000 1000 1000", "Gid": "100 100 100 100", "Groups": "7 100",
		"CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapAmb": "0000000000000000",
	}
	status := func(key, value string) fields {
		var b strings.Builder
		for k, v := range good {
			switch {
			case k != key:
				b.WriteString(k + ":\t" + strings.ReplaceAll(v, " ", "\t") + "\n")
			case value != "":
				b.WriteString(k + ":\t" + value + "\n")
			}
		}
		return fieldsOf([]byte(b.String()))
	}
	if err := c.verifyThread(status("", "")); err != nil {
		t.Error(err)
	}
	if err := c.verifyThread(status("Groups", "100 7 ")); err != nil {
		t.Errorf("in another order: %v", err)
	}
	bad := []struct{ key, value string }{
		{"Uid", "1000 1000 0 1000"},
		{"Uid", "1000 1000 1000 0"},
		{"Uid", "0 1000 1000 1000"},
		{"Gid", "100 100 0 100"},
		{"Groups", "7 100 0"},
		{"Groups", "100"},
		{"CapPrm", "0000000000000001"},
		{"CapEff", "000001ffffffffff"},
		{"CapAmb", "0000000000000400"},
	}
	for _, b := range bad {
		want := b.key + " is "
		if err := c.verifyThread(status(b.key, b.value)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s %q: %v, want an error that begins with %q", b.key, b.value, err, want)
		}
	}
	for key := range good {
		if err := c.verifyThread(status(key, "")); err == nil {
			t.Errorf("a thread without %s is fine", key)
		}
	}
	root := Credentials{UID: 0, GID: 0}
	if err := root.verifyThread(fieldsOf([]byte("Uid: 0 0 0 0\nGid: 0 0 0 0\nGroups: \nCapPrm: 000001ffffffffff\n"))); err != nil {
		t.Errorf("root with capabilities: %v", err)
	}
}

func TestVerifyOfThisProcess(t *testing.T) {
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	c := Credentials{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for _, g := range groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	if err := c.verify(); err != nil {
		t.Error(err)
	}
	c.UID++
	if err := c.verify(); err == nil {
		t.Error("no error with another uid")
	}
}

// Threads start and end while verify reads them.
func TestVerifyWhileThreadsEnd(t *testing.T) {
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	c := Credentials{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for _, g := range groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				runtime.LockOSThread() // the thread ends with its goroutine
			}()
			<-ended
		}
	}()
	for range 300 {
		if err := c.verify(); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	<-done
}

// TestCapabilitiesOfEachThread: a thread and a program have the capabilities to keep, and no program can get others.
func TestCapabilitiesOfEachThread(t *testing.T) {
	bind, both := Capabilities(1<<unix.CAP_NET_BIND_SERVICE), Capabilities(1<<unix.CAP_NET_BIND_SERVICE|1<<unix.CAP_CHOWN)
	none := Capabilities(0)
	own, err := ownCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	same := func(set string) string { return strings.Join(slices.Repeat([]string{set}, 5), "; ") }
	for name, test := range map[string]struct {
		credentialsTest
		threads, program string
	}{
		"kept by a user":   {credentialsTest{To: Credentials{UID: 4001, GID: 4001, Keep: &bind}}, same("net_bind_service"), same("net_bind_service")},
		"kept by root":     {credentialsTest{To: Credentials{Keep: &both}}, same("chown,net_bind_service"), same("chown,net_bind_service")},
		"none of a user":   {credentialsTest{To: Credentials{UID: 4001, GID: 4001, Keep: &none}}, same("none"), same("none")},
		"none of root":     {credentialsTest{To: Credentials{Keep: &none}}, same("none"), same("none")},
		"not given":        {credentialsTest{To: Credentials{UID: 4001, GID: 4001}}, "none; none; none; " + own.bounding.String() + "; none", ""},
		"bounded":          {credentialsTest{To: Credentials{UID: 4001, GID: 4001}, Bound: &both}, "none; none; none; chown,net_bind_service; none", ""},
		"bounded and kept": {credentialsTest{To: Credentials{UID: 4001, GID: 4001, Keep: &bind}, Bound: &both}, same("net_bind_service"), same("net_bind_service")},
	} {
		if test.program == "" {
			test.program = test.threads
		}
		d := dropIn(t, test.credentialsTest)
		if changes := test.Bound != nil || test.To.Keep != nil; changes && inThreads(unix.SYS_GETPID) != nil {
			// A test with C functions; with CGO_ENABLED=0 it is another one.
			if !strings.HasSuffix(d.Error, "a program with C functions cannot change all its threads") {
				t.Errorf("%s: error %q", name, d.Error)
			}
			continue
		}
		if d.Error != "" || len(d.Caps) < 10 {
			t.Errorf("%s: error %q, %d threads", name, d.Error, len(d.Caps))
			continue
		}
		for i, got := range d.Caps {
			if want := map[bool]string{false: test.threads, true: test.program}[i == len(d.Caps)-1]; got != want {
				t.Errorf("%s: #%d has %q, want %q", name, i, got, want)
			}
		}
	}
	d := dropIn(t, credentialsTest{To: Credentials{UID: 4001, GID: 4001, Keep: &both}, Bound: &bind})
	if inThreads(unix.SYS_GETPID) != nil {
		return
	}
	if want := "cannot keep chown: this process does not have it"; d.Error != want {
		t.Errorf("more than is there: %q, want %q", d.Error, want)
	}
}
