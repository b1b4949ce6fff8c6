package accounts

import (
	"os"
	"os/user"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

func number(id uint32) config.Identity { return config.Identity{Set: true, ID: id} }
func name(s string) config.Identity    { return config.Identity{Set: true, Name: s} }

// nobodyHere is an id without an entry in any user database.
const nobodyHere = 3999999999

func TestResolve(t *testing.T) {
	if _, err := user.LookupId("3999999999"); err == nil {
		t.Fatal("this machine has a user 3999999999")
	}
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	tests := []struct {
		name string
		wish Wish
		want namespaces.Credentials
		err  string
	}{
		{
			name: "a number with a group needs no entry", wish: Wish{UID: number(nobodyHere), GID: number(nobodyHere)},
			want: namespaces.Credentials{UID: nobodyHere, GID: nobodyHere, Groups: []uint32{nobodyHere}},
		},
		{name: "a number without a group", wish: Wish{UID: number(nobodyHere)}, err: "cannot choose a group: uid 3999999999 has no entry"},
		{name: "only a group", wish: Wish{GID: number(7)}, want: namespaces.Credentials{UID: uid, GID: 7, Groups: []uint32{7}}},
		{name: "nothing", want: namespaces.Credentials{UID: uid, GID: gid, Groups: []uint32{gid}}},
		{
			name: "further groups, sorted and once", wish: Wish{UID: number(nobodyHere), GID: number(9), AddGID: []config.Identity{number(12), number(3), number(9), number(12)}},
			want: namespaces.Credentials{UID: nobodyHere, GID: 9, Groups: []uint32{3, 9, 12}},
		},
		{name: "unknown user", wish: Wish{UID: name("no-such-user"), GID: number(9)}, err: `there is no user "no-such-user"`},
		{name: "unknown group", wish: Wish{UID: number(nobodyHere), GID: name("no-such-group")}, err: `there is no group "no-such-group"`},
		{name: "unknown further group", wish: Wish{GID: number(9), AddGID: []config.Identity{name("no-such-group")}}, err: `there is no group "no-such-group"`},
		// A name that looks like a number is still a name.
		{name: "a name of digits and letters", wish: Wish{UID: name("0day"), GID: number(9)}, err: `there is no user "0day"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.wish.Resolve()
			switch {
			case test.err == "" && err != nil:
				t.Fatal(err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Fatalf("error %v, want %q", err, test.err)
			case test.err == "" && !reflect.DeepEqual(got, test.want):
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestNamesMeanNumbers resolves the account root, which every system has, by name and by
// number.
func TestNamesMeanNumbers(t *testing.T) {
	byName, err := Wish{UID: name("root")}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := Wish{UID: number(0)}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(byName, byNumber) {
		t.Errorf("by name %+v, by number %+v", byName, byNumber)
	}
	if byName.UID != 0 || byName.GID != 0 || !slices.Contains(byName.Groups, 0) {
		t.Errorf("root is %+v", byName)
	}
}

// TestGroupReplacesTheUsersOwn: with gid, the user's primary group is not among the
// supplementary groups.
func TestGroupReplacesTheUsersOwn(t *testing.T) {
	c, err := Wish{UID: name("root"), GID: number(nobodyHere)}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(c.Groups, 0) || !slices.Contains(c.Groups, nobodyHere) {
		t.Errorf("groups %v", c.Groups)
	}
}

func TestParseID(t *testing.T) {
	for _, s := range []string{"", "-1", "4294967295", "4294967296", "1x", " 1", "0x1"} {
		if id, err := parseID(s); err == nil {
			t.Errorf("%q is taken for %d", s, id)
		}
	}
}
