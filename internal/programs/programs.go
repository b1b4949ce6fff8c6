// Package programs explains why a program cannot run. The kernel has one number for several
// causes (execve(2)): a missing file and a missing interpreter are both ENOENT.
package programs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Error is the reason why a program cannot run, with the remedy. Unwrap returns the kernel's
// error, or os.ErrNotExist.
type Error struct {
	// Name is the program, and Cause the reason, such as `is a directory`.
	Name, Cause string
	// Hint may be empty.
	Hint string
	err  error
}

// What returns the name and the cause.
func (e *Error) What() string { return fmt.Sprintf("%q %s", e.Name, e.Cause) }

// Error returns `it CAUSE (hint)`, to follow the name.
func (e *Error) Error() string {
	if e.Hint == "" {
		return "it " + e.Cause
	}
	return "it " + e.Cause + " (" + e.Hint + ")"
}

func (e *Error) Unwrap() error { return e.err }

// Find returns the path of a program: it searches a name without a slash in PATH of this
// process. Its error is of type *Error.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	return "", Explain(name, os.Getenv("PATH"), err)
}

// Explain returns the reason why a program, a path or a name that is not in PATH, could not
// run. It returns an error that it cannot explain unchanged.
func Explain(name, path string, err error) error {
	if e := Look(name, path); e != nil {
		e.err = err
		return e
	}
	return err
}

// Look returns a visible reason why a program cannot run, or nil. It searches a name without a
// slash in the directories of path, in the syntax of the variable PATH.
func Look(name, path string) *Error {
	if !strings.Contains(name, "/") {
		return lookIn(name, path)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return missing(name)
	case err != nil:
		return nil
	case info.IsDir():
		return &Error{Name: name, Cause: "is a directory", Hint: "name a program in it"}
	case info.Mode()&0o111 == 0:
		return &Error{Name: name, Cause: "is not executable", Hint: "chmod +x " + name}
	}
	var fs unix.Statfs_t
	if unix.Statfs(name, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return &Error{Name: name, Cause: "is on a file system that is mounted noexec", Hint: "move it elsewhere, or give its interpreter and the path"}
	}
	return lookInside(name, path)
}

// lookIn checks a name without a slash.
func lookIn(name, path string) *Error {
	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return lookInside(file, path)
		}
	}
	e := &Error{Name: name, Cause: "is not in PATH", Hint: "give its whole path; PATH is " + path, err: os.ErrNotExist}
	switch hint, ofShell := builtin(name); {
	case ofShell:
		e.Cause, e.Hint = "is a word of the shell and no program", hint
	case strings.ContainsAny(name, " \t"):
		e.Cause, e.Hint = "is one word, with a blank in it", "drop the quotes"
	case path == "":
		e.Hint = "give its whole path; PATH is empty"
	}
	return e
}

// builtin reports whether only a shell knows a word, and returns its replacement.
func builtin(word string) (instead string, ofShell bool) {
	switch word {
	case ".", "source":
		return "sh -c '. FILE && exec PROGRAM ARGS'", true
	case "cd":
		return "chdir = DIR", true
	case "exec":
		return "drop it", true
	case "export", "set":
		return "env = NAME=VALUE", true
	case "ulimit":
		return "sh -c 'ulimit … && exec PROGRAM ARGS'", true
	case "umask":
		return "umask = MASK", true
	case "eval", "if", "for", "while":
		return "sh -c 'LINE'", true
	}
	return "", false
}

// missing explains a path that leads to no file.
func missing(name string) *Error {
	e := &Error{Name: name, Cause: "is not there", err: os.ErrNotExist}
	dir := filepath.Dir(name)
	switch _, err := os.Stat(dir); {
	case strings.HasPrefix(name, "~"):
		e.Hint = "~ is a shell's: write the whole path"
	case errors.Is(err, os.ErrNotExist):
		e.Hint = fmt.Sprintf("there is no directory %q either", dir)
	}
	return e
}

// lookInside checks whether the kernel can run the content of a file.
func lookInside(name, path string) *Error {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil
	}
	text := string(head[:n])
	if n == 0 {
		return &Error{Name: name, Cause: "is empty"}
	}
	if strings.HasPrefix(text, "\x7fELF") {
		return lookELF(name, f)
	}
	line, ok := strings.CutPrefix(text, "#!")
	if !ok {
		if strings.IndexByte(text, 0) >= 0 {
			return nil // another kind of program, as binfmt_misc runs
		}
		return &Error{Name: name, Cause: "has no #! line: the kernel finds no interpreter", Hint: "begin it with #!/bin/sh, or give sh " + name}
	}
	line, _, _ = strings.Cut(line, "\n")
	if strings.HasSuffix(line, "\r") {
		return &Error{
			Name: name, Cause: "has lines that end in a carriage return, which the kernel takes for a part of the interpreter's name",
			Hint: `sed -i 's/\r$//' ` + name,
		}
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	if _, err := os.Stat(words[0]); errors.Is(err, os.ErrNotExist) {
		return &Error{Name: name, Cause: fmt.Sprintf("names an interpreter that is not there: %q", words[0]), Hint: "install it, or change the first line"}
	}
	if filepath.Base(words[0]) == "env" && len(words) > 1 && !strings.ContainsAny(words[1], "-=/") {
		if e := lookIn(words[1], path); e != nil && errors.Is(e.err, os.ErrNotExist) {
			return &Error{
				Name: name, Cause: fmt.Sprintf("asks for an interpreter that is not in PATH: %q", words[1]),
				Hint: "install it, or change the first line; PATH is " + path,
			}
		}
	}
	return nil
}
