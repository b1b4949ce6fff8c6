package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const isolatedEnv = "HOOKS_TEST_ISOLATED"

// isolated runs the calling test again in new namespaces, with an empty /tmp; it returns true
// there.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolatedEnv) == t.Name() {
		made := namespaces.NewMount | namespaces.NewPID | namespaces.NewNet
		if err := errors.Join(namespaces.PrepareMounts(made, namespaces.ProcView{}), unix.Mount("tmp", "/tmp", "tmpfs", 0, "")); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), isolatedEnv+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in namespaces of its own: %v\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Errorf("did not run in namespaces of its own:\n%s", out)
	}
	return false
}

func TestActionsAreSortedAndHaveExamples(t *testing.T) {
	names := map[string]bool{}
	for i, a := range actions {
		if i > 0 && a.Name < actions[i-1].Name {
			t.Errorf("%s stands behind %s", a.Name, actions[i-1].Name)
		}
		for _, name := range append([]string{a.Name}, a.Aliases...) {
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
		}
		if a.Example != "" && !strings.HasPrefix(a.Example, a.Name+":") {
			t.Errorf("%s: the example is %q", a.Name, a.Example)
		}
	}
}

// sight is the preparation of an example and its expected result.
type sight struct {
	before string // a shell command
	log    string // a part of the log
	after  string // a shell command that must succeed
	err    string // the expected error, if any
}

var sights = map[string]sight{
	"alarm":       {log: "alarm disk: the disk is full"},
	"append":      {before: "printf 'you, ' >/tmp/motd", after: "test \"$(cat /tmp/motd)\" = 'you, hello'"},
	"appendn":     {after: "test $(wc -l </tmp/motd) = 1 && grep -qx hello /tmp/motd"},
	"chdir":       {after: "test $PWD = /tmp"},
	"chmod":       {before: "chmod 700 /tmp", after: "test $(stat -c %a /tmp) = 1777"},
	"chown":       {before: "chown 1:2 /tmp", after: "test $(stat -c %u:%g /tmp) = 0:0"},
	"chown2":      {before: "chown 1:2 /tmp", after: "test $(stat -c %u:%g /tmp) = 0:0"},
	"create":      {before: "echo full >/tmp/flag", after: "test -f /tmp/flag && ! test -s /tmp/flag"},
	"exec":        {log: "as-root hook=as-root"},
	"execv":       {log: "two words hook=as-root"},
	"exit":        {err: "exit 7"},
	"hostname":    {after: "test $(uname -n) = web1"},
	"ifup":        {after: "ip -o addr show lo | grep -q 127.0.0.2/8 && ip link show lo | grep -q LOWER_UP"},
	"mkdir":       {after: "test -d /tmp/run"},
	"mount":       {after: "grep -q ' /tmp .*nosuid,nodev.* - tmpfs none .*size=1024k' /proc/self/mountinfo"},
	"print":       {log: "hello hook=as-root"},
	"putenv":      {after: "test $STAGE = test"},
	"rmdir":       {before: "mkdir /tmp/empty", after: "! test -e /tmp/empty"},
	"route":       {before: "ip link set lo up", after: "ip route show 192.0.2.0/24 | grep -q 'dev lo scope link'"},
	"safeexec":    {log: "ignored: exit status 1"},
	"signal":      {},
	"sleep":       {},
	"sticky":      {before: "chmod 755 /tmp", after: "test $(stat -c %a /tmp) = 1755"},
	"symlink":     {after: "test $(readlink /tmp/mtab) = /proc/mounts"},
	"sysctl":      {before: "echo 0 >/proc/sys/net/ipv4/ip_forward", after: "test $(cat /proc/sys/net/ipv4/ip_forward) = 1"},
	"umount":      {before: "mount -t tmpfs upper /tmp", after: "! grep -q ' /tmp .*upper' /proc/self/mountinfo"},
	"unlink":      {before: "touch /tmp/old", after: "! test -e /tmp/old"},
	"write":       {before: "seq 9 >/tmp/motd", after: "test \"$(od -c /tmp/motd | head -1)\" = '0000000   h   e   l   l   o'"},
	"writen":      {before: "seq 9 >/tmp/motd", after: "test $(wc -l </tmp/motd) = 1 && grep -qx hello /tmp/motd"},
	"writefifo":   {before: "mkfifo /tmp/fifo"},
	"call":        {log: "called tzset()"},
	"callint":     {log: "called srand(7)"},
	"callret":     {log: "called atoi(0)"},
	"callintret":  {log: "called isdigit(65)"},
	"unix_signal": {err: "no Go function"},

	"spinningfifo":        {before: "mkfifo /tmp/fifo; (sleep 0.2; cat /tmp/fifo >/tmp/got) >/dev/null 2>&1 &", after: "for i in $(seq 200); do grep -q q /tmp/got && exit 0; sleep 0.02; done; exit 1"},
	"wait_for_dir":        {before: "umount /tmp; (sleep 0.1; mkdir -p /tmp) >/dev/null 2>&1 &"},
	"wait_for_file":       {},
	"wait_for_fs":         {},
	"wait_for_mountpoint": {},
	"wait_for_http":       {before: "ip link set lo up"},
	"wait_for_socket":     {},
}

// TestEveryExampleDoesWhatItSays runs the example of each action in new namespaces.
func TestEveryExampleDoesWhatItSays(t *testing.T) {
	if !isolated(t) {
		return
	}
	if !IsNative {
		for _, name := range []string{"tzset", "srand", "atoi", "isdigit"} {
			Register(name, func(_ context.Context, e Env) error {
				e.Log(fmt.Sprintf("called %s(%s)", name, e.Arg))
				return nil
			})
		}
	}
	for _, a := range actions {
		if a.Example != "" {
			t.Run(a.Name, func(t *testing.T) { runExample(t, a, sights[a.Name]) })
		}
	}
}

func runExample(t *testing.T, a actionInfo, want sight) {
	if IsNative && strings.HasPrefix(want.log, "called ") || a.Name == "unix_signal" && IsNative {
		want = sight{} // the function of libc has no visible result
	}
	if err := unix.Mount("tmp", "/tmp", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount("/tmp", unix.MNT_DETACH)
	if out, err := exec.Command("/bin/sh", "-c", want.before).CombinedOutput(); err != nil {
		t.Fatalf("before: %v: %s", err, out)
	}
	switch a.Name {
	case "wait_for_socket":
		l, err := net.Listen("unix", "/tmp/socket")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	case "wait_for_http":
		answerSecond(t, "127.0.0.1:8080")
	}
	r, log := runner(20 * time.Second)
	r.Dir = "/"
	h, err := Parse(Spec{Phase: AsRoot, Kind: Do, Text: a.Example})
	if err != nil {
		t.Fatal(err)
	}
	check, err := Parse(Spec{Phase: AsRoot, Kind: Exec, Text: "true; " + want.after})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Run(t.Context(), AsRoot, []Hook{h, check})
	if want.err == "" && err != nil || want.err != "" && (err == nil || !strings.Contains(err.Error(), want.err)) {
		t.Errorf("error %v, want %q\n%s", err, want.err, log)
	}
	if !strings.Contains(log.String(), want.log) {
		t.Errorf("the log lacks %q:\n%s", want.log, log)
	}
}

func TestMistakesAreFoundWhenParsing(t *testing.T) {
	tests := []struct {
		kind Kind
		text string
		want string
	}{
		{Do, "mkidr:/tmp/x", `unknown action "mkidr" (did you mean mkdir?)`},
		{Do, "reticulate:splines", `unknown action "reticulate" (known are alarm, append,`},
		{Do, "mkdir", `no colon after "mkdir" (mkdir:DIR)`},
		{Do, "mkdir:", "no argument given"},
		{Do, "chmod:/x 9", `"9" is not a mode (octal, such as 755)`},
		{Do, "chmod:/x", `"/x" lacks an argument (the syntax is FILE MODE)`},
		{Do, "chown:/x a:b c", `"a:b" cannot be a user or group`},
		{Do, "chown:/x -1 0", `"-1" cannot be a user or group`},
		{Do, "chown:/x 4294967295 0", `"4294967295" cannot be a user or group`},
		{Do, "chown:/x root", `is not three words`},
		{Do, "chown2:/x root root", `"root" is not an id (chown takes names)`},
		{Do, "mount:none /a /b bnd", `unknown flag "bnd" (did you mean bind?; options of the filesystem are a fifth word)`},
		{Do, "mount:proc /proc", `is not a mount (the syntax is FILESYSTEM SOURCE TARGET`},
		{Mount, "tmpfs none /x size=1m", `unknown flag "size=1m" (known are bind,`},
		{Umount, "/x deatch", `unknown flag "deatch" (did you mean detach?)`},
		{Do, "signal:1 HUPP", `unknown signal "HUPP"`},
		{Do, "signal:-1 HUP", `"-1" is not a process`},
		{Do, "exit:256", `"256" is not an exit code`},
		{Do, "ifup:eth0 10.0.0.1", `"10.0.0.1" is not an address with its length`},
		{Do, "ifup:averyveryverylongname", `cannot be an interface`},
		{Do, "route:default", `is not a route`},
		{Do, "route:default via there", `"there" is not a gateway`},
		{Do, "route:default over 10.0.0.1", `"over" is neither via nor dev`},
		{Do, "sysctl:net.ipv4.ip_forward", `is not KEY=VALUE`},
		{Do, "sysctl:../../etc/passwd=x", `is not a kernel parameter`},
		{Do, "putenv:=x", `is not a variable`},
		{Do, "sleep:soon", `"soon" is not a time`},
		{Do, "execv:'open", `is not a command`},
		{Do, "rpc:x", `uWSGI's remote calls are not supported (use exec or call)`},
		{Do, "write:/x", `"/x" lacks an argument`},
		{Do, "call:1st", `"1st" is not a function`},
		{Do, "callint:f x", `"x" is not a number for a function`},
		{Call, "a b", `"a b" is not a function`},
		{Call1, "f", `there is no call-as-root1`},
	}
	for _, tt := range tests {
		_, err := Parse(Spec{Phase: AsRoot, Kind: tt.kind, Text: tt.text})
		var wrong problem.Mistake
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: %v, want %q", tt.kind, tt.text, err, tt.want)
		}
	}
	if _, err := Parse(Spec{Phase: AsEmperorSetns, Kind: Do, Text: "nut print:x"}); err == nil || !strings.Contains(err.Error(), `unknown namespace "nut"`) {
		t.Errorf("namespaces: %v", err)
	}
	if _, err := Parse(Spec{Phase: Touch, Kind: Do, Text: "print:x"}); err == nil || !strings.Contains(err.Error(), "hook-touch needs FILE and an action") {
		t.Errorf("touch: %v", err)
	}
}

func TestPrefixes(t *testing.T) {
	r, log := runner(0)
	err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "-exit 4", "!echo sesame; exit 5"))
	if err == nil || err.Error() != "hook as-root #2 (exec: hidden): exit status 5" {
		t.Errorf("as-root: %v", err)
	}
	if strings.Contains(log.String(), "exit 5") || !strings.Contains(log.String(), "sesame hook") {
		t.Errorf("the text is not hidden, or its output is:\n%s", log)
	}
	if err := r.Run(t.Context(), AsEmperor, parse(t, AsEmperor, "exit 6", "+exit 7")); err == nil || !strings.Contains(err.Error(), "#2") {
		t.Errorf("as-emperor: %v, want the error of the second", err)
	}
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "! false")); err != nil {
		t.Errorf("the shell's own negation: %v", err)
	}
	h, err := Parse(Spec{Phase: AsRoot, Kind: Do, Text: "!unlink:/secret/name"})
	if err != nil {
		t.Fatal(err)
	}
	log.Reset()
	err = r.Run(t.Context(), AsRoot, []Hook{h})
	if err == nil || strings.Contains(err.Error()+log.String(), "secret") || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("error %v\n%s", err, log)
	}
}

func TestSetRunsByKindAndThenByLine(t *testing.T) {
	set := Set{}
	for i, k := range []Kind{Call4, Exec, Do, Call, Umount, Exec, Call1, Mount, Do} {
		text := map[Kind]string{Exec: "true", Do: "print:x", Umount: "/x", Mount: "a b /c"}[k]
		if text == "" {
			text = "f"
		}
		h, err := Parse(Spec{Phase: AsEmperor, Kind: k, Text: text, Origin: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		set.Add(h)
	}
	var got []string
	for _, h := range set[AsEmperor] {
		got = append(got, string(h.spec.Kind)+h.spec.Origin)
	}
	want := []string{"hook2", "hook8", "mount7", "umount4", "exec1", "exec5", "call3", "call16", "call40"}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	if h, ok := set.Native(); !ok || h.Symbol() != "f" {
		t.Errorf("the function of C is not seen: %v %v", h, ok)
	}
}

func TestShellIsTheFirstThatRuns(t *testing.T) {
	r, log := runner(0)
	r.Shells = []string{"/nowhere/sh", script(t, `echo "my shell: $2"`)}
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "anything")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "my shell: anything") {
		t.Errorf("log:\n%s", log)
	}
}

func TestOwnProcessIsChangedOnlyWhereAllowed(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOOKS_OWN", "before")
	here, _ := os.Getwd()
	var list []Hook
	for _, text := range []string{"chdir:/", "putenv:HOOKS_OWN=after", "exec:echo $HOOKS_OWN in $PWD"} {
		h, err := Parse(Spec{Phase: AsRoot, Kind: Do, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	for _, own := range []bool{false, true} {
		r, log := runner(0)
		r.Own = own
		if err := r.Run(t.Context(), AsRoot, list); err != nil {
			t.Fatal(err)
		}
		dir, _ := os.Getwd()
		if changed := dir != here && os.Getenv("HOOKS_OWN") == "after"; changed != own {
			t.Errorf("own %v: now %q in %q", own, os.Getenv("HOOKS_OWN"), dir)
		}
		if !strings.Contains(log.String(), "after in /") {
			t.Errorf("own %v: log:\n%s", own, log)
		}
	}
}

func TestFailedHookLeavesNothingRunning(t *testing.T) {
	file := t.TempDir() + "/pid"
	r, _ := runner(30 * time.Second)
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "sleep 60 >/dev/null 2>&1 & echo $! >"+file+"; exit 1")); err == nil {
		t.Fatal("no error")
	}
	waitGone(t, readPID(t, file))
}

func TestUnrulyHooks(t *testing.T) {
	r, log := runner(30 * time.Second)
	err := r.Run(t.Context(), AsEmperor, parse(t, AsEmperor,
		"exec 0<&- 1>&- 2>&-; true", "kill -TERM 0", "head -c 104857600 /dev/zero", "printf 'no newline'", "kill -KILL $$"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"error=\"signal: terminated\"", "more bytes of output are not logged", "no newline hook=as-emperor index=4", "error=\"signal: killed\""} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestObserverAndContext(t *testing.T) {
	r, log := runner(0)
	var seen []Result
	r.Context, r.Observe = "a.ini", func(res Result) { res.Took = 0; seen = append(seen, res) }
	if err := r.Run(t.Context(), AsEmperor, parse(t, AsEmperor, "echo $UWSGI_HOOK_PHASE $UWSGI_HOOK_CONTEXT", "exit 9", "kill -KILL $$")); err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Phase: AsEmperor, Index: 1, Text: "exec: echo $UWSGI_HOOK_PHASE $UWSGI_HOOK_CONTEXT"},
		{Phase: AsEmperor, Index: 2, Text: "exec: exit 9", Exit: "exit status 9", Code: 9},
		{Phase: AsEmperor, Index: 3, Text: "exec: kill -KILL $$", Exit: "signal: killed", Signal: syscall.SIGKILL},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("observed %+v", seen)
	}
	if !strings.Contains(log.String(), "as-emperor a.ini hook=") {
		t.Errorf("log:\n%s", log)
	}
}

// answerSecond answers each request for /health but the first, which gets an error.
func answerSecond(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 || r.URL.Path != "/health" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
}
