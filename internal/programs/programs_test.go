package programs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// foreignELF is the beginning of a program for a machine with that number.
func foreignELF(machine byte) string {
	head := append([]byte("\x7fELF\x02\x01\x01"), bytes.Repeat([]byte{0}, 57)...)
	head[16], head[18] = 2, machine
	return string(head)
}

// TestLook: each cause is named, with its remedy.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", "/usr/bin:/bin")
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"good", "#!/bin/sh\n", 0o755, ""},
		{"good-env", "#!/usr/bin/env sh\n", 0o755, ""},
		{"other", "\x00asm", 0o755, ""},
		{"plain", "#!/bin/sh\n", 0o644, `it is not executable (chmod +x DIR/plain)`},
		{"nobang", "echo hello\n", 0o755, `it has no #! line: the kernel finds no interpreter (begin it with #!/bin/sh, or give sh DIR/nobang)`},
		{"empty", "", 0o755, `it is empty`},
		{"nosuch", "#!/usr/bin/nosuch -x\n", 0o755, `it names an interpreter that is not there: "/usr/bin/nosuch" (install it, or change the first line)`},
		{"noenv", "#!/usr/bin/env nosuch\n", 0o755, `it asks for an interpreter that is not in PATH: "nosuch" (install it, or change the first line; PATH is /usr/bin:/bin)`},
		{"crlf", "#!/bin/sh\r\necho\r\n", 0o755, `it has lines that end in a carriage return, which the kernel takes for a part of the interpreter's name (sed -i 's/\r$//' DIR/crlf)`},
		{"s390", foreignELF(22), 0o755, `it is a program for s390x, and this machine is ARCH (build it for ARCH)`},
		{"half", "\x7fELF\x02", 0o755, `it is an incomplete program (was it copied completely?)`},
		{"sub/none", "", 0, `it is not there (there is no directory "DIR/sub" either)`},
	} {
		path := filepath.Join(dir, c.name)
		if c.mode != 0 {
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
		}
		check(t, dir, path, c.want)
	}
	check(t, dir, dir, `it is a directory (name a program in it)`)
	check(t, dir, "sh", "")
	check(t, dir, "nosuchprogram", `it is not in PATH (give its whole path; PATH is /usr/bin:/bin)`)
	check(t, dir, "source", `it is a word of the shell and no program (sh -c '. FILE && exec PROGRAM ARGS')`)
	check(t, dir, "sleep 1", `it is one word, with a blank in it (drop the quotes)`)
	check(t, dir, "~/bin/app", `it is not there (~ is a shell's: write the whole path)`)
}

func check(t *testing.T, dir, name, want string) {
	t.Helper()
	got := ""
	if e := Look(name, os.Getenv("PATH")); e != nil {
		got = e.Error()
		if want := strconv.Quote(name) + strings.TrimPrefix(got, "it"); !strings.HasPrefix(want, e.What()) {
			t.Errorf("%s: %s", name, e.What())
		}
	}
	if want = strings.NewReplacer("DIR", dir, "ARCH", runtime.GOARCH).Replace(want); got != want {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// TestFind: the error is still the kernel's.
func TestFind(t *testing.T) {
	if _, err := Find("sh"); err != nil {
		t.Error(err)
	}
	_, err := Find("/no/such/program")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not %v", err, os.ErrNotExist)
	}
	if err := Explain("/bin/sh", "", unix.EPERM); !errors.Is(err, unix.EPERM) || err.Error() != unix.EPERM.Error() {
		t.Errorf("%v", err)
	}
}
