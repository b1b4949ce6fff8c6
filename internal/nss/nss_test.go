package nss

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSources(t *testing.T) {
	const text = `# passwd: none
passwd:         files [!UNAVAIL=return] sss # ldap
group: files[NOTFOUND=return]systemd
netgroup: nis
`
	for database, want := range map[string]string{"passwd": "files sss", "group": "files systemd", "netgroup": "nis", "shadow": ""} {
		if got := strings.Join(sources(text, database), " "); got != want {
			t.Errorf("%s: %q, want %q", database, got, want)
		}
	}
}

// answering replaces getent by a program that logs its arguments and its environment and then
// runs code.
func answering(t *testing.T, code string) (log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	path := filepath.Join(dir, "getent")
	text := "#!/bin/sh\necho \"$@\" $SECRET $LD_PRELOAD >>" + log + "\n" + code
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nsswitch.conf")
	if err := os.WriteFile(conf, []byte("passwd: files ldap\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	programsBefore, switchBefore := programs, switchFile
	programs, switchFile = []string{path}, conf
	t.Cleanup(func() { programs, switchFile = programsBefore, switchBefore })
	return log
}

func TestAnswersOfGetent(t *testing.T) {
	t.Setenv("SECRET", "leaks")
	log := answering(t, `case "$1 $2" in
"passwd shop") echo 'shop:*:70001:70002:Shop,,,:/srv/shop:/bin/sh';;
"passwd odd") echo 'odd:x';;
"passwd down") exit 3;;
*) exit 2;;
esac`)
	ask := func(key string) (*user.User, error) {
		return orAsk[user.User](nil, user.UnknownUserError(key), userEntry, "passwd", key)
	}
	u, err := ask("shop")
	if err != nil || *u != (user.User{Username: "shop", Uid: "70001", Gid: "70002", Name: "Shop", HomeDir: "/srv/shop"}) {
		t.Errorf("%+v, %v", u, err)
	}
	var unknown user.UnknownUserError
	if _, err := ask("none"); !errors.As(err, &unknown) {
		t.Errorf("a user that no source has: %v", err)
	}
	for key, want := range map[string]string{"odd": "cannot read", "down": "exit status 3"} {
		if _, err := ask(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
	for _, key := range []string{"-s", "", "a:b", "a\nb"} { // getent is not asked
		if _, err := ask(key); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", key, err)
		}
	}
	asked, _ := os.ReadFile(log)
	want := []string{"passwd shop", "passwd none", "passwd odd", "passwd down"}
	got := strings.Split(strings.TrimSpace(string(asked)), "\n")
	slices.Sort(got)
	slices.Sort(want)
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// Many questions about one number at the same time do not take as many calls of getent. A name takes a call each
// time.
func TestAnswersAboutNumbers(t *testing.T) {
	log := answering(t, `sleep 0.1; echo "user$2:*:$2:$2::/:/bin/sh"`)
	var done sync.WaitGroup
	for range 20 {
		done.Go(func() {
			u, err := orAsk[user.User](nil, user.UnknownUserIdError(70009), userEntry, "passwd", "70009")
			if err != nil || u.Username != "user70009" {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
	done.Wait()
	for range 2 {
		if _, err := orAsk[user.User](nil, user.UnknownUserError("shop"), userEntry, "passwd", "shop"); err != nil {
			t.Error(err)
		}
	}
	text, _ := os.ReadFile(log)
	if got := strings.Count(string(text), "70009"); got > 2 { // 1, and on a slow machine a second later another one
		t.Errorf("getent was called %d times for a number", got)
	}
	if got := strings.Count(string(text), "shop"); got != 2 {
		t.Errorf("getent was called %d times for a name", got)
	}
}

// The test's own user is in the files or has no entry: getent agrees.
func TestAccountOfTheTest(t *testing.T) {
	u, err := User("root")
	if err != nil || u.Uid != "0" {
		t.Fatalf("%+v, %v", u, err)
	}
	ids, err := GroupIDs(u)
	if err != nil || !slices.Contains(ids, u.Gid) {
		t.Errorf("the groups of root are %q, %v", ids, err)
	}
	if _, err := Group("no-such-group-anywhere"); !errors.As(err, new(user.UnknownGroupError)) {
		t.Errorf("a group that no source has: %v", err)
	}
	if _, err := UserID("3999999999"); !errors.As(err, new(user.UnknownUserIdError)) {
		t.Errorf("a number that no source has: %v", err)
	}
	if g, err := GroupID("0"); err != nil || g.Gid != "0" {
		t.Errorf("%+v, %v", g, err)
	}
}

// A file is read once for many equal questions, and again after each change, also one that keeps size and modification time.
func TestEntriesFollowTheFile(t *testing.T) {
	before := accountFile
	t.Cleanup(func() { accountFile = before })
	accountFile = filepath.Join(t.TempDir(), "passwd")
	write := func(home string) {
		t.Helper()
		if err := os.WriteFile(accountFile, []byte("shop:x:70001:70001::"+home+":/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	home := func() string {
		t.Helper()
		u, err := UserID("70001")
		if err != nil {
			t.Fatal(err)
		}
		return u.HomeDir
	}
	write("/a")
	info, err := os.Stat(accountFile)
	if err != nil {
		t.Fatal(err)
	}
	known := func() bool { _, ok := findings.of[[2]string{accountFile, "70001"}]; return ok }
	for home(); !known(); time.Sleep(time.Millisecond) { // a change in the same tick would not be seen
		if got := home(); got != "/a" {
			t.Fatalf("home is %q", got)
		}
	}
	write("/b")
	if err := os.Chtimes(accountFile, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := home(); got != "/b" {
		t.Errorf("after the change home is %q", got)
	}
	if err := os.Remove(accountFile); err != nil {
		t.Fatal(err)
	}
	if _, err := UserID("70001"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
}
