package vassal

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

func TestProtocolsStayOutOfTheApplication(t *testing.T) {
	tests := map[string]bool{
		"KEPT": true, "UWSGIX": true, "MY_LISTEN_FDS": true, "EMPERORS": true,
		"UWSGI_EMPEROR_FD": false, "UWSGI_VASSAL_PID": false, "EMPEROR_ORDER_FD": false,
		"LISTEN_FDS": false, "LISTEN_PID": false, "LISTEN_FDNAMES": false, "NOTIFY_SOCKET": false, "WATCHDOG_USEC": false,
	}
	for key := range tests {
		t.Setenv(key, "a=b")
	}
	environ, err := (&environment{}).programs(&config.Vassal{}, &source{})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range tests {
		if slices.Contains(environ, key+"=a=b") != want {
			t.Errorf("%s is handed on: %v, want %v", key, !want, want)
		}
	}
	asked := &config.Vassal{Env: []config.EnvChange{{Kind: "set", Key: "UWSGI_SCHEME", Value: "https"}}}
	if environ, _ = (&environment{}).programs(asked, &source{}); !slices.Contains(environ, "UWSGI_SCHEME=https") {
		t.Error("what the file asks for is taken away")
	}
}

func TestEnvironmentOfAReload(t *testing.T) {
	t.Setenv("A", "outside")
	t.Setenv("B", "outside")
	t.Setenv("C", "")
	dir := t.TempDir()
	for name, text := range map[string]string{"D": "first line \nsecond", "B": "", ".hidden": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := func(key, value string) config.EnvChange { return config.EnvChange{Kind: "set", Key: key, Value: value} }
	e := &environment{}
	if err := e.set(&config.Vassal{Env: []config.EnvChange{set("A", "1"), set("NEW", "1"), {Kind: "unset", Key: "C"}, {Kind: "dir", Key: dir}}}); err != nil {
		t.Fatal(err)
	}
	_, b := os.LookupEnv("B")
	_, c := os.LookupEnv("C")
	if os.Getenv("A") != "1" || os.Getenv("NEW") != "1" || b || c || os.Getenv("D") != "first line" {
		t.Errorf("not what the options say: %q", os.Environ())
	}
	next := &config.Vassal{Env: []config.EnvChange{set("NEW", "2")}}
	planned, err := e.programs(next, &source{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.set(next); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A=outside", "B=outside", "C=", "NEW=2"} {
		if !slices.Contains(planned, want) || !slices.Contains(os.Environ(), want) {
			t.Errorf("%s is not in the plan or not in effect", want)
		}
	}
	if slices.ContainsFunc(planned, func(e string) bool { return strings.HasPrefix(e, "D=") }) {
		t.Error("what a directory set stays after a reload without it")
	}
	if err := os.Unsetenv("NEW"); err != nil {
		t.Fatal(err)
	}
}

func TestTakeFD(t *testing.T) {
	const key = "EMPEROR_TEST_FD"
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	open := int(read.Fd())
	closed, err := unix.FcntlInt(uintptr(open), unix.F_DUPFD_CLOEXEC, 500)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(closed); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", "-1", "0", "2", "3 ", "99999999999999999999", strconv.Itoa(closed)} {
		t.Setenv(key, bad)
		if fd, ok, err := takeFD(key); err == nil || ok {
			t.Errorf("%q is taken for descriptor %d", bad, fd)
		}
	}
	t.Setenv(key, strconv.Itoa(open))
	if fd, ok, err := takeFD(key); fd != open || !ok || err != nil {
		t.Errorf("got %d, %v, %v; want %d", fd, ok, err, open)
	}
	if _, there := os.LookupEnv(key); there {
		t.Error("the variable is still there")
	}
	if fd, ok, err := takeFD(key); ok || err != nil {
		t.Errorf("without the variable: got %d, %v, %v", fd, ok, err)
	}
}

// TestPidFile: an existing file is replaced, not written through.
func TestPidFile(t *testing.T) {
	dir := t.TempDir()
	path, precious := filepath.Join(dir, "pid"), filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, path); err != nil {
		t.Fatal(err)
	}
	made, err := writePid(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(precious); string(text) != "precious" {
		t.Errorf("the file behind the link is %q, %v", text, err)
	}
	if text, err := os.ReadFile(path); string(text) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the pid file is %q, %v", text, err)
	}
	if !made.made.Is(path) {
		t.Error("the file is not known as ours")
	}
	// Another instance replaces it: this process must not remove it any more.
	if err := os.WriteFile(path+".new", []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if made.made.Is(path) {
		t.Error("another file is taken for ours")
	}
	empty := t.TempDir()
	if _, err := writePid(empty); err == nil {
		t.Error("a directory was replaced")
	}
}

// TestIntroduction: HOME and similar variables are the user's, unless they were set. A reload
// that no longer sets one restores the user's.
func TestIntroduction(t *testing.T) {
	for _, key := range []string{"HOME", "USER", "LOGNAME"} {
		t.Setenv(key, "") // restored at the end
		os.Unsetenv(key)
	}
	set := func(key, value string) config.EnvChange { return config.EnvChange{Kind: "set", Key: key, Value: value} }
	e, o := &environment{}, &config.Vassal{Env: []config.EnvChange{set("HOME", "/srv"), {Kind: "unset", Key: "USER"}}}
	if err := e.set(o); err != nil {
		t.Fatal(err)
	}
	if err := e.introduce(o, accounts.Login{Name: "shop", Home: "/home/shop"}); err != nil {
		t.Fatal(err)
	}
	_, user := os.LookupEnv("USER")
	if os.Getenv("HOME") != "/srv" || user || os.Getenv("LOGNAME") != "shop" {
		t.Errorf("the environment is %q", os.Environ())
	}
	vars, err := e.programs(o, &source{})
	if err != nil || !slices.Contains(vars, "HOME=/srv") || slices.ContainsFunc(vars, func(e string) bool { return strings.HasPrefix(e, "USER=") }) {
		t.Errorf("it serves with %q, %v", vars, err)
	}
	next := &config.Vassal{}
	if err := e.set(next); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("HOME") != "/home/shop" || os.Getenv("USER") != "shop" {
		t.Errorf("after a reload the environment is %q", os.Environ())
	}
	if vars, err = e.programs(next, &source{}); err != nil || !slices.Contains(vars, "HOME=/home/shop") || !slices.Contains(vars, "USER=shop") {
		t.Errorf("after a reload it serves with %q, %v", vars, err)
	}
}

// TestReadingEnvironment: options and hooks do not change the environment for reading.
func TestReadingEnvironment(t *testing.T) {
	t.Setenv("A", "1")
	r := &reader{}
	order := &wire.Order{Environ: [][]byte{[]byte("SECRET=2")}}
	first := r.variables(order)
	t.Setenv("A", "other")
	if again := r.variables(order); !slices.Equal(first, again) || !slices.Contains(again, "A=1") || !slices.Contains(again, "SECRET=2") {
		t.Errorf("first %q, then %q", first, again)
	}
	if none := r.variables(nil); slices.Contains(none, "SECRET=2") {
		t.Error("what an order brings stays")
	}
}
