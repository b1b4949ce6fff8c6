package dialect_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/pkg/config"
)

// onPurpose are the cases in which we intentionally differ from uWSGI 2.0.21, each with the
// words of docs/dialect.md about it. There are no other differences.
var onPurpose = map[string]string{
	"bom":             "A byte order mark is skipped",
	"deep-includes":   "Includes may be nested 64 deep",
	"else":            "`else`, `ienv` and `$(NAME-default)` come from uWSGI 2.1",
	"environ-default": "`else`, `ienv` and `$(NAME-default)` come from uWSGI 2.1",
	"header-bracket":  "A section header without its closing bracket is an error",
	"header-comment":  "A comment may follow a section header",
	"ienv":            "`else`, `ienv` and `$(NAME-default)` come from uWSGI 2.1",
	"ini-directory":   "Including a directory is an error",
	"json-nul":        "A NUL byte is an error",
	"line-too-long":   "A line may have 1 MiB",
	"nul":             "A NUL byte is an error",
	"section-emperor": "Our own sections also count",
	"too-many":        "There may be 10,000 options",
	"xml-comment":     "A comment in an XML element is not part of its text",
	"yaml-anchor":     "YAML anchors and nested lists are supported",
	"yaml-nested":     "YAML anchors and nested lists are supported",
	"yaml-nul":        "A NUL byte is an error",
}

// childEnv makes this test binary one of our programs, for --show-config.
const childEnv = "EMPEROR_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "vassal":
		_, warnings, err := loader().VassalArgs(os.Args[1:])
		showAndExit(warnings, err)
	case "emperor":
		_, warnings, err := loader().Emperor(os.Args[1:])
		showAndExit(warnings, err)
	}
	os.Exit(m.Run())
}

func loader() config.Loader {
	return config.Loader{Permissions: config.FullPermissions(parser.Parse, direct.Means())}
}

func showAndExit(warnings config.Problems, err error) {
	for _, w := range warnings {
		fmt.Println("warning:", w)
	}
	var shown config.Shown
	var problems config.Problems
	switch {
	case errors.As(err, &shown):
		fmt.Print(shown.Text)
		os.Exit(0)
	case errors.As(err, &problems):
		for _, p := range problems {
			fmt.Println("error:", p)
		}
	default:
		fmt.Println("error:", err)
	}
	os.Exit(1)
}

// TestDialect runs the cases of testdata/dialect, one a file, through our programs and, where
// it is installed, Debian's uWSGI. A case is a txtar archive. Its head may have lines `args:
// …` (default: --ini a.ini), `env: NAME=VALUE`, `stdin: FILE` and `programs: differ`. A file
// called NAME.quoted is given as Go strings, each with an optional number of times before it;
// `want` is the expected output, where a value `*` matches any.
func TestDialect(t *testing.T) {
	files, err := dialecttest.Cases()
	if err != nil || len(files) < 60 {
		t.Fatalf("there are %d cases: %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := openCase(t, file)
			got := c.run(t, "vassal")
			c.alike(t, c.run(t, "emperor"), got)
			c.golden(t, file, got)
			c.compare(t, onPurpose[name], got)
		})
	}
	for name, reason := range onPurpose {
		if !seen[name] {
			t.Errorf("there is no case %s, about %q", name, reason)
		}
	}
}

// dialectCase is a case in a directory of its own.
type dialectCase struct {
	archive  *txtar.Archive
	dir      string
	args     []string
	env      []string
	stdin    string
	programs bool // emperor and vassal differ: `programs: differ`
}

func openCase(t *testing.T, file string) *dialectCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &dialectCase{archive: archive, dir: dir, args: []string{"--ini", "a.ini"}}
	c.env = []string{"HOME=/home/u", "PATH=" + os.Getenv("PATH")}
	for line := range strings.Lines(string(archive.Comment)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch word {
		case "args":
			c.args = strings.Split(rest, " ")
		case "env":
			c.env = append(c.env, rest)
		case "stdin":
			c.stdin = rest
		case "programs":
			c.programs = true
		}
	}
	for _, f := range archive.Files {
		name, quoted := strings.CutSuffix(f.Name, ".quoted")
		data := f.Data
		if quoted {
			data = unquoteAll(t, data)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(string(data), "-> "); link {
			err = os.Symlink(strings.TrimSpace(target), path)
		} else {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// unquoteAll joins Go strings, one a line.
func unquoteAll(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for line := range strings.Lines(string(data)) {
		times, n, quoted := "", 1, strings.TrimSpace(line)
		if quoted[0] != '"' {
			times, quoted, _ = strings.Cut(quoted, " ")
			n, _ = strconv.Atoi(times)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		b.WriteString(strings.Repeat(text, n))
	}
	return b.Bytes()
}

// run runs one of our programs and returns its output.
func (c *dialectCase) run(t *testing.T, program string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := c.env
	c.env = append(c.env, childEnv+"="+program, "GORACE=atexit_sleep_ms=0")
	out := c.command(t, self)
	c.env = before
	return strings.ReplaceAll(out, c.dir, "$WORK")
}

// command runs a program with the arguments of the case, and returns its output.
func (c *dialectCase) command(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, slices.Concat(args, []string{"--show-config"}, c.args)...)
	cmd.Dir, cmd.Env = c.dir, c.env
	if c.stdin != "" {
		in, err := os.Open(filepath.Join(c.dir, c.stdin))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin = in
	}
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// uWSGI reloads on SIGTERM.
	kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the output has the details
	if !kill.Stop() {
		t.Errorf("%s does not end", program)
	}
	return b.String()
}

// alike compares the output of the emperor and of the vassal.
func (c *dialectCase) alike(t *testing.T, emperor, vassal string) {
	t.Helper()
	a, fineA := configBlock(emperor)
	b, fineB := configBlock(vassal)
	if (a != b || fineA != fineB) != c.programs {
		t.Errorf("the emperor shows:\n%s\nthe vassal:\n%s", emperor, vassal)
	}
}

// golden compares with the expected output of the case.
func (c *dialectCase) golden(t *testing.T, file, got string) {
	t.Helper()
	want := ""
	at := len(c.archive.Files)
	for i, f := range c.archive.Files {
		if f.Name == "want" {
			want, at = string(f.Data), i
		}
	}
	got = abridge(got)
	if matches(got, want) {
		return
	}
	if os.Getenv("EMPEROR_FIX_GOLDEN") == "" {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
		return
	}
	c.archive.Files = append(c.archive.Files[:at], txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// abridge shortens lines that are too long to read.
func abridge(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if len(line) > 500 {
			line = fmt.Sprintf("%s… (%d bytes)\n", line[:100], len(line))
		}
		b.WriteString(line)
	}
	return b.String()
}

// matches compares line by line.
func matches(got, want string) bool {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		start, any := strings.CutSuffix(b[i], "= *")
		if a[i] != b[i] && (!any || !strings.HasPrefix(a[i], start)) {
			return false
		}
	}
	return true
}

// compare compares with uWSGI: both show the same, or both fail.
func (c *dialectCase) compare(t *testing.T, reason, got string) {
	t.Helper()
	uwsgi, err := exec.LookPath("uwsgi")
	if err != nil {
		dialecttest.Missing(t, "uwsgi is not installed")
	}
	// Some cases make it allocate all memory.
	out := c.command(t, "/bin/sh", "-c", "ulimit -v 1000000; exec \"$@\"", "sh", uwsgi)
	theirs, ok := configBlock(out)
	ours, fine := configBlock(strings.ReplaceAll(got, "$WORK", c.dir))
	same := ok == fine && theirs == ours
	switch {
	case reason == "" && !same:
		t.Errorf("uWSGI shows:\n%s\nwe show:\n%s", abridge(out), abridge(got))
	case reason != "" && same:
		t.Errorf("there is no difference, although there should be one: %s", reason)
	}
}

// configBlock cuts out the output of --show-config. ok is false when there is none.
func configBlock(out string) (block string, ok bool) {
	_, block, _ = strings.Cut(out, ";uWSGI instance configuration\n[uwsgi]\n")
	block, _, ok = strings.Cut(block, ";end of configuration\n")
	return block, ok
}

// TestDifferencesAreDocumented: docs/dialect.md contains the words of the table.
func TestDifferencesAreDocumented(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "dialect.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(data), "\n## Differences from uWSGI 2.0\n")
	for name, reason := range onPurpose {
		if !strings.Contains(list, "\n- "+reason) {
			t.Errorf("docs/dialect.md does not say %q, for the case %s", reason, name)
		}
	}
}
