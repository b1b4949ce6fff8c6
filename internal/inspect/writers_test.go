package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpen: users who can write to a watched file or directory, or can replace it, are
// reported.
func TestOpen(t *testing.T) {
	us := Trust{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	const (
		in    = " can put a file there, which runs with the emperor's rights (chown root, chmod go-w)"
		above = " can put another directory in the place of DIR/v, which runs with the emperor's rights (chown root, chmod go-w)"
		file  = " can write to this file, which runs with the emperor's rights (chown root, chmod go-w)"
	)
	for name, c := range map[string]struct {
		do   func(dir string) error
		root bool // only root can set this up
		want string
	}{
		"all well":          {do: func(string) error { return nil }},
		"of the group":      {do: func(dir string) error { return os.Chmod(dir+"/v", 0o775) }},
		"anybody's":         {do: func(dir string) error { return os.Chmod(dir+"/v", 0o777) }, want: "DIR/v: every user" + in},
		"like /tmp":         {do: func(dir string) error { return os.Chmod(dir+"/v", 0o777|os.ModeSticky) }, want: "DIR/v: every user" + in},
		"above":             {do: func(dir string) error { return os.Chmod(dir, 0o777) }, want: "DIR: every user" + above},
		"above, like /tmp":  {do: func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }},
		"a file":            {do: func(dir string) error { return os.Chmod(dir+"/v/a.ini", 0o666) }, want: "DIR/v/a.ini: every user" + file},
		"a file of another": {do: func(dir string) error { return os.Chown(dir+"/v/a.ini", 4001, -1) }, root: true, want: "DIR/v/a.ini: uid 4001" + file},
		"a directory of another": {
			do: func(dir string) error { return os.Chown(dir+"/v", 4001, -1) }, root: true, want: "DIR/v: uid 4001" + in,
		},
		"another group": {
			do:   func(dir string) error { return first(os.Chown(dir+"/v", -1, 4002), os.Chmod(dir+"/v", 0o775)) },
			root: true, want: "DIR/v: gid 4002" + in,
		},
		"a link to where others write": {
			do: func(dir string) error {
				return first(os.Mkdir(dir+"/o", 0o755), os.Chmod(dir+"/o", 0o777), os.Rename(dir+"/v/a.ini", dir+"/o/a.ini"), os.Symlink(dir+"/o/a.ini", dir+"/v/a.ini"))
			},
			want: "DIR/o: every user" + in,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err == nil {
				err = first(os.Mkdir(dir+"/v", 0o755), os.WriteFile(dir+"/v/a.ini", nil, 0o644), c.do(dir))
			}
			if err != nil {
				t.Fatal(err)
			}
			trust := us
			trust.Dirs, trust.Files = []string{dir + "/v"}, []string{dir + "/v/a.ini"}
			var lines []string
			for _, f := range trust.Open() {
				if strings.HasPrefix(f.Origin.File, dir) { // findings about the machine's own /tmp do not count
					lines = append(lines, strings.ReplaceAll(f.Error(), dir, "DIR"))
				}
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
