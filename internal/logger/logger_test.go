package logger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"stdio": "{ 0   false 0 }", "stdio:": "{ 0   false 0 }",
		"file:/a.log": "{/a.log 0   false 0 }", "file:a.log": "{a.log 0   false 0 }",
		"file:logfile=/a,maxsize=10,backupname=/b": "{/a 10 /b   false 0 }", "file:maxsize=10,logfile=/a": "{/a 10    false 0 }",
		"syslog": "{ 0  unixgram /dev/log true 3 }", "syslog:shop": "{ 0  unixgram /dev/log true 3 shop}",
		"syslog:shop,local3": "{ 0  unixgram /dev/log true 19 shop}", "luci syslog:x": "{ 0  unixgram /dev/log true 3 x}",
		"rsyslog:10.0.0.1:514,shop": "{ 0  udp 10.0.0.1:514 true 3 shop}", "rsyslog:[::1]:514": "{ 0  udp [::1]:514 true 3 }",
		"socket:/run/log": "{ 0  unixgram /run/log false 0 }", "socket:127.0.0.1:5000": "{ 0  udp 127.0.0.1:5000 false 0 }",

		"file": "error", "file:": "error", "file:logfile=,maxsize=1": "error", "file:logfile=/a,maxsize=1M": "error", "file:logfile=/a,size=1": "error",
		"syslog:x,": "error", "syslog:x,local9": "error", "rsyslog:": "error", "rsyslog:host": "error", "rsyslog::514": "error", "socket:": "error", "socket:a:b": "error",
		"pipe:cat": "error", "redislog:x": "error", "": "error", "/a.log": "error", "journal": "error",
	} {
		l, err := Parse(text)
		got := fmt.Sprint(l)
		if err != nil {
			got = "error"
		}
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
}

// Of several writers of one file one renames it, and no line is lost.
func TestRotateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var (
		writers sync.WaitGroup
		files   [8]*os.File
	)
	for i := range files {
		files[i] = open()
	}
	for _, f := range files {
		defer f.Close()
		writers.Go(func() {
			if err := Rotate(f, path, "", unix.RESOLVE_NO_SYMLINKS); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	for range 2 {
		f := open()
		if err := Rotate(f, path, "", 0); err != nil {
			t.Error(err)
		}
		f.Close()
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 3 {
		t.Errorf("there are %q, want three files with a time", files)
	}
	f := open()
	defer f.Close()
	if err := Rotate(f, path, path+".old", 0); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + ".old"); err != nil {
		t.Error(err)
	}
}

// A directory that a tenant replaces by a link leads the emperor nowhere.
func TestRotateFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "shadow")
	for _, d := range []string{"logs", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	victim := filepath.Join(dir, "etc", "shadow")
	for _, err := range []error{os.Rename(filepath.Dir(path), filepath.Join(dir, "moved")), os.Symlink("etc", filepath.Dir(path)), os.Link(filepath.Join(dir, "moved", "shadow"), victim)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := Rotate(f, path, "", unix.RESOLVE_NO_SYMLINKS); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
}
